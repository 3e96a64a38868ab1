process.stderr.write("the provider writes a log\n");
process.stdout.write(`${JSON.stringify({ event: "listening", url: `http://127.0.0.1:${process.env["TOLLGATE_PROVIDER_PORT"]}` })}\n`);
// Deaf to SIGTERM: has to be ended the hard way.
process.on("SIGTERM", () => {});
setInterval(() => {}, 60_000);
