import type { AddressInfo } from "node:net";
import { connect, createServer, type Server, type Socket } from "node:net";

/** What becomes of a connection when a statement passes: nothing, a reset before it arrives, or a reset in place of its answer. */
export type Cut = "none" | "before" | "instead_of_answer";

/**
 * A TCP proxy before PostgreSQL that can be down, slow, silent, or cut exactly around one statement. Bytes keep their order.
 * Every gateway of a stand goes through one of its own or shares one; nothing else does.
 */
export class DatabaseProxy {
	private readonly targetPort: number;
	private readonly sockets = new Set<Socket>();
	private server: Server | undefined;
	private port = 0;
	private delayMs = 0;
	private isSilent = false;
	private readonly waiting: (() => void)[] = [];
	private judge: (statement: Buffer) => Cut = () => "none";
	/** Connections that were reset by `cutWhere`. */
	cuts = 0;

	private constructor(targetPort: number) {
		this.targetPort = targetPort;
	}

	static async open(targetPort: number): Promise<DatabaseProxy> {
		const proxy = new DatabaseProxy(targetPort);
		await proxy.up();
		return proxy;
	}

	/** The database's URL by way of this proxy. */
	urlOf(databaseUrl: string): string {
		const url = new URL(databaseUrl);
		url.port = String(this.port);
		return url.href;
	}

	/** Open connections are reset, new ones refused. */
	async down(): Promise<void> {
		const { server } = this;
		if (server === undefined) return;
		this.server = undefined;
		const closed = new Promise<void>((resolve) => server.close(() => resolve()));
		for (const socket of this.sockets) socket.resetAndDestroy();
		await closed;
	}

	async up(): Promise<void> {
		this.server = createServer((incoming) => this.forward(incoming));
		const { server } = this;
		await new Promise<void>((resolve, reject) => {
			server.once("error", reject);
			server.listen(this.port, "127.0.0.1", resolve);
		});
		this.port = (server.address() as AddressInfo).port;
	}

	/** Every piece of data takes so much longer, either way. */
	slowDown(delayMs: number): void {
		this.delayMs = delayMs;
	}

	/** Connections stay open and nothing passes, until it is told to go on. */
	fallSilent(): void {
		this.isSilent = true;
	}

	goOn(): void {
		this.isSilent = false;
		for (const pass of this.waiting.splice(0)) pass();
	}

	/** Asked for every piece a gateway sends. */
	cutWhere(judge: (statement: Buffer) => Cut): void {
		this.judge = judge;
	}

	async close(): Promise<void> {
		this.goOn();
		await this.down();
	}

	private forward(incoming: Socket): void {
		const outgoing = connect(this.targetPort, "127.0.0.1");
		let isCut = false;
		const reset = (): void => {
			this.cuts += 1;
			incoming.resetAndDestroy();
		};
		for (const socket of [incoming, outgoing]) {
			this.sockets.add(socket);
			socket.setNoDelay(true);
			socket.on("error", () => socket.destroy()); // broken connections are what the proxy is for
			socket.on("close", () => this.sockets.delete(socket));
		}
		incoming.on("data", (data: Buffer) => {
			const cut = isCut ? "none" : this.judge(data);
			if (cut === "before") return reset();
			isCut ||= cut === "instead_of_answer";
			this.pass(() => outgoing.write(data));
		});
		outgoing.on("data", (data: Buffer) => this.pass(() => (isCut ? reset() : incoming.write(data))));
		incoming.on("close", () => outgoing.end());
		outgoing.on("close", () => incoming.destroy());
	}

	/** All pieces take the same time, so that none overtakes another. */
	private pass(send: () => void): void {
		if (this.isSilent || this.waiting.length > 0) this.waiting.push(send);
		else if (this.delayMs > 0) setTimeout(send, this.delayMs);
		else send();
	}
}
