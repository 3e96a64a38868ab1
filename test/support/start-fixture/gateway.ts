import { createServer } from "node:http";

const server = createServer((request, response) => {
	if (request.url === "/environment") response.end(JSON.stringify(process.env));
	else response.end(request.url === "/readyz" ? "ok" : String(process.pid));
});
server.listen({ port: Number(process.env["TOLLGATE_GATEWAY_PORT"]), host: "127.0.0.1", reusePort: true }, () => {
	process.stdout.write(`${JSON.stringify({ event: "listening" })}\n`);
});
process.on("SIGTERM", () => process.exit(0));
