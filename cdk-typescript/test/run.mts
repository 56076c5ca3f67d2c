// Runs apps one after the other in this process, as the CDK's command does: node run.mts '[[FILE, OUT, CONTEXT], ...]'.
for (const [file, out, context] of JSON.parse(process.argv[2]!) as [string, string, object][]) {
  process.env["CDK_OUTDIR"] = out;
  process.env["CDK_CONTEXT_JSON"] = JSON.stringify(context);
  await import(file);
  // An app synthesizes itself when the process is about to end, which is when the last one does.
  process.emit("beforeExit", 0);
}
