export { type Image, type ImageProps } from "./generated";
export { EcrImageWaiterProvider, type EcrImageWaiterProviderProps } from "./provider";
export { EcrImageWaiter, type EcrImageWaiterProps, type ImageCodeProps } from "./waiter";
