import type { AddressInfo } from "node:net";
import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * A TCP proxy on loopback that can be cut: open connections are reset, new ones refused, until it is restored. Stalled, it
 * accepts and passes nothing on, as a stopped process would, until it goes on or is cut.
 */
export type CuttableProxy = { readonly port: number; stall(): void; goOn(): void; cut(): Promise<void>; restore(): Promise<void>; close(): Promise<void> };

export async function openCuttableProxy(targetPort: number): Promise<CuttableProxy> {
	const sockets = new Set<Socket>();
	const pairs = new Map<Socket, Socket>();
	const held = new Set<Socket>();
	let isStalled = false;
	const track = (socket: Socket): void => {
		sockets.add(socket);
		socket.on("error", () => socket.destroy()); // a cut is what the proxy is for
		socket.on("close", () => sockets.delete(socket));
	};
	const forward = (incoming: Socket): void => {
		if (isStalled) {
			track(incoming);
			held.add(incoming);
			return;
		}
		const outgoing = connect(targetPort, "127.0.0.1");
		track(incoming);
		track(outgoing);
		incoming.pipe(outgoing).pipe(incoming);
		pairs.set(incoming, outgoing);
		incoming.on("close", () => {
			pairs.delete(incoming);
			outgoing.destroy();
		});
		outgoing.on("close", () => incoming.destroy());
	};
	let server = await listen(forward, 0);
	const { port } = server.address() as AddressInfo;
	const cut = async (): Promise<void> => {
		const closed = new Promise<void>((resolve) => server.close(() => resolve()));
		for (const socket of sockets) socket.resetAndDestroy();
		await closed;
	};
	return {
		port,
		stall() {
			isStalled = true;
			for (const socket of sockets) socket.unpipe().pause();
		},
		goOn() {
			isStalled = false;
			for (const [incoming, outgoing] of pairs) incoming.pipe(outgoing).pipe(incoming);
			for (const incoming of held) forward(incoming);
			held.clear();
		},
		cut,
		async restore() {
			isStalled = false;
			held.clear();
			server = await listen(forward, port);
		},
		close: cut,
	};
}

function listen(onConnection: (socket: Socket) => void, port: number): Promise<Server> {
	return new Promise((resolve, reject) => {
		const server = createServer(onConnection);
		server.once("error", reject);
		server.listen(port, "127.0.0.1", () => resolve(server));
	});
}
