"""What is wrong with a Terraform configuration, as far as it can be told without Terraform and its provider.

Names only: that what is referred to is there, that arguments and attributes are the provider's, that required ones are
given. Not told: types of values, what a value may be, what conflicts with what, and anything of AWS's.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from tests.hcl import Block, Expression, Get, Literal, Module, Name, Unknown, address_of, evaluate, references
from tests.ordering import WAITER

Schema = Mapping[str, Any]
META_ARGUMENTS = {"for_each", "count", "depends_on", "provider", "lifecycle"}
MODULE_ARGUMENTS = {"source", "version", "providers", "for_each", "count", "depends_on"}
BUILT_IN = {"path": {"module", "root", "cwd"}, "each": {"key", "value"}}


def faults(module: Module, provider: Mapping[str, Schema]) -> list[str]:
    """Return a sentence for each name that leads nowhere, in a module and those that it calls.

    Args:
        module: to look at.
        provider: the arguments and attributes of each type of resource, as in tests/integration/aws_provider.json.
    """
    told = []
    used: set[str] = set()
    for where, expression, block in _expressions(module):
        for reference in references(expression):
            used |= {reference[1]} if reference[0] == "var" else set()
            told += [f"{where}: {each}" for each in _reference_faults(module, reference, block, provider)]
    for block in module.blocks.values():
        if block.kind == "module":
            child = module.child(block)
            told += _module_faults(block, child)
            told += [f"{block.address}: {each}" for each in faults(child, provider)]
        elif _type(block) in provider:
            told += _shape_faults(block.address, block, provider[_type(block)], META_ARGUMENTS)
        else:
            told.append(f"{block.address}: the type {_type(block)} is not known here")
    for alias, block in module.providers.items():
        told += _shape_faults(f"provider {alias}".strip(), block, provider["provider"], {"alias"})
    return told + [f"variable {name}: nobody uses it" for name in sorted(set(module.variables) - used)]


def ordering_faults(module: Module) -> list[str]:
    """Return a sentence for each function whose image nobody waits for, or that is not pinned to the digest found."""
    told = []
    for address, block in module.blocks.items():
        if block.kind != "aws_lambda_function":
            continue
        waits = {waiter for each in _dependencies(module, block) for waiter in _waiters(module, each)}
        if not waits:
            told.append(f"{address} depends on no waiter: it may be created before its image is there")
        elif not _is_pin(module, block.arguments["image_uri"]):
            told.append(f"{address} runs an image that no waiter's digest names: it may be another one by then")
    return told


def _expressions(module: Module) -> Iterator[tuple[str, Expression, Block | None]]:
    """Yield every expression with where it stands and, if any, the block that it stands in."""
    for block in [*module.blocks.values(), *module.outputs.values(), *module.imports, *module.providers.values()]:
        inner = [each for blocks in block.blocks.values() for each in blocks]
        for each in [block, *inner]:
            for name, expression in each.arguments.items():
                if name not in ("source", "providers"):
                    yield f"{block.address}.{name}", expression, block
    for name, expression in module.locals.items():
        yield f"local.{name}", expression, None


def _reference_faults(
    module: Module, reference: tuple[str, ...], block: Block | None, provider: Mapping[str, Schema]
) -> Iterator[str]:
    name = ".".join(reference)
    match reference:
        case ("var", variable, *_):
            if variable not in module.variables:
                yield f"there is no variable {variable}"
        case ("local", local, *_):
            if local not in module.locals:
                yield f"there is no local {local}"
        case ("each" | "path" as root, step, *_):
            if step not in BUILT_IN[root]:
                yield f"there is no {name}"
            if root == "each" and (block is None or "for_each" not in block.arguments):
                yield f"{name} without for_each"
        case _:
            yield from _resource_reference_faults(module, reference, provider)


def _resource_reference_faults(
    module: Module, reference: tuple[str, ...], provider: Mapping[str, Schema]
) -> Iterator[str]:
    address = address_of(reference)
    if address not in module.blocks:
        yield f"there is no {address or '.'.join(reference)}"
        return
    target = module.blocks[address]
    steps = [step for step in reference[len(address.split(".")) :] if step not in {"*", *_keys(module, target)}]
    if not steps:
        return
    if target.kind == "module":
        known = set(module.child(target).outputs)
    else:
        schema = provider.get(_type(target), {})
        known = {*schema.get("attributes", ()), *schema.get("required", ()), *schema.get("optional", ())}
    if steps[0] not in known:
        yield f"{address} has no {steps[0]}"


def _type(block: Block) -> str:
    """Return what the provider's schema has a block under."""
    return f"data.{block.kind}" if block.address.startswith("data.") else block.kind


def _keys(module: Module, block: Block) -> set[str]:
    """Return the keys of a block with for_each."""
    if "for_each" not in block.arguments:
        return set()
    try:
        local = {name: evaluate(value, {}) for name, value in module.locals.items()}
        return set(evaluate(block.arguments["for_each"], {"local": local}))
    except Unknown:
        return set()  # said of for_each itself


def _module_faults(call: Block, child: Module) -> Iterator[str]:
    given = set(call.arguments) - MODULE_ARGUMENTS
    required = {name for name, variable in child.variables.items() if "default" not in variable.arguments}
    yield from (f"{call.address}: the module has no variable {name}" for name in sorted(given - set(child.variables)))
    yield from (f"{call.address}: the module needs {name}" for name in sorted(required - given))


def _shape_faults(where: str, block: Block, schema: Schema, also: Iterable[str]) -> Iterator[str]:
    required = set(schema.get("required", ()))
    known = {*required, *schema.get("optional", ()), *also}
    given = set(block.arguments)
    yield from (f"{where}: there is no argument {name}" for name in sorted(given - known))
    yield from (f"{where}: {name} is missing" for name in sorted(required - given))
    for name, blocks in block.blocks.items():
        if name not in schema.get("blocks", {}):
            yield f"{where}: there is no block {name}"
            continue
        for each in blocks:
            yield from _shape_faults(f"{where}.{name}", each, schema["blocks"][name], ())


def _dependencies(module: Module, block: Block) -> set[str]:
    """Return the addresses of all that a block depends on, at any distance."""
    found: set[str] = set()
    waiting = [block]
    while waiting:
        for reference in waiting.pop().references():
            address = address_of(reference)
            if address in module.blocks and address not in found:
                found.add(address)
                waiting.append(module.blocks[address])
    return found


def _waiters(module: Module, address: str) -> list[str]:
    """Return the waiters that a block is, or that the module has which it calls."""
    block = module.blocks[address]
    if block.kind == "module":
        child = module.child(block)
        return [f"{address}.{name}" for each in child.blocks for name in _waiters(child, each)]
    if block.kind == "aws_cloudformation_stack" and _image_output(module, block) is not None:
        return [address]
    return [address] if block.kind == "aws_lambda_invocation" and _calls_the_waiter(module, block) else []


def _is_pin(module: Module, expression: Expression) -> bool:
    """Whether an expression is the URI by digest that a waiter answered."""
    steps = next(references(expression), ())
    address = address_of(steps)
    if address not in module.blocks:
        return False
    block = module.blocks[address]
    if block.kind == "module":
        child = module.child(block)
        return steps[-1] in child.outputs and _is_pin(child, child.outputs[steps[-1]].arguments["value"])
    if block.kind == "aws_cloudformation_stack":
        return steps[2:] == ("outputs", "ImageUri") and _image_output(module, block) == "ImageUri"
    last = expression.key if isinstance(expression, Get) else None
    return block.kind == "aws_lambda_invocation" and last == Literal("ImageUri") and _calls_the_waiter(module, block)


def _image_output(module: Module, stack: Block) -> str | None:
    """Return the waiter's attribute that a stack's output ImageUri is, if its template has a waiter."""
    path = {"path": {"module": str(module.folder)}}
    template = yaml_parse(evaluate(stack.arguments["template_body"], path))
    names = [name for name, resource in template["Resources"].items() if resource["Type"] == WAITER]
    value = template["Outputs"]["ImageUri"]["Value"]
    if not names or "Fn::GetAtt" not in value:
        return None
    name, attribute = value["Fn::GetAtt"]
    return str(attribute) if name in names else None


def _calls_the_waiter(module: Module, invocation: Block) -> bool:
    """Whether what is invoked is the function that the parameter with the ServiceToken names."""
    function = invocation.arguments["function_name"]
    parameter = address_of(next(references(function), ("",)))
    if parameter not in module.blocks or not isinstance(function, Get | Name):
        return False
    name = module.blocks[parameter].arguments.get("name")
    return isinstance(name, Literal) and str(name.value).endswith("/service-token")
