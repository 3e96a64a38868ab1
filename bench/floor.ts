import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Pool } from "undici";

/** The floor: the least a proxy on Node can do. Bytes in, bytes out, nothing looked at, by undici's fastest interface. */
const upstream = new Pool(process.argv[2] ?? "", { connections: 1024, pipelining: 1 });
const server = createServer((request, response) => {
	const pieces: Buffer[] = [];
	request.on("data", (piece: Buffer) => pieces.push(piece));
	request.on("end", () => {
		const { host: _too, connection: _ours, ...headers } = request.headers;
		const body = Buffer.concat(pieces);
		upstream.dispatch(
			{ method: "POST", path: request.url ?? "/", headers, body },
			{
				onRequestStart: () => undefined,
				onResponseStart: (_, status, { connection: _its, "keep-alive": _own, ...passed }) => void response.writeHead(status, passed),
				onResponseData: (_, piece) => void response.write(piece),
				onResponseEnd: () => void response.end(),
				onResponseError: () => void response.destroy(),
			},
		);
	});
});
server.listen(0, "127.0.0.1", () => {
	const { port } = server.address() as AddressInfo;
	process.stdout.write(`${JSON.stringify({ event: "listening", url: `http://127.0.0.1:${port}` })}\n`);
});
process.once("SIGTERM", () => process.exit(0));
