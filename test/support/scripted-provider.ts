import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type ReceivedCall = { readonly request: IncomingMessage; readonly response: ServerResponse; readonly body: Buffer };

export type ScriptedProvider = { readonly url: string; readonly received: ReceivedCall[]; close(): Promise<void> };

/** A provider that does exactly what the test says, byte by byte. */
export async function startScriptedProvider(answer: (call: ReceivedCall) => void): Promise<ScriptedProvider> {
	const received: ReceivedCall[] = [];
	const server = createServer((request, response) => {
		const chunks: Buffer[] = [];
		request.on("data", (chunk: Buffer) => chunks.push(chunk));
		request.on("end", () => {
			const call = { request, response, body: Buffer.concat(chunks) };
			received.push(call);
			answer(call);
		});
	});
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	const { port } = server.address() as AddressInfo;
	return {
		url: `http://127.0.0.1:${port}`,
		received,
		async close() {
			server.closeAllConnections();
			await new Promise((resolve) => server.close(resolve));
		},
	};
}
