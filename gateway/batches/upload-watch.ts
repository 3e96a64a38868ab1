import type { FastifyRequest } from "fastify";
import { answerOnSocket, LATE_REQUEST, leaveOwnTime, takeOwnTime } from "../late-requests.ts";
import type { ServerLimits } from "../server-options.ts";

export type UploadLimits = Pick<ServerLimits, "requestTimeoutMs" | "uploadTimeoutMs">;
type Watched = Pick<FastifyRequest, "raw" | "id"> & { readonly limits: UploadLimits };

/**
 * In place of the server's time for a whole request: an upload is late when nothing of it came for as long as that, or when it takes longer
 * than an upload may in all. Time in which we do not read is not the caller's.
 */
export class UploadWatch {
	readonly #watched: Watched;
	readonly #whole: NodeJS.Timeout;
	#idle: NodeJS.Timeout;

	constructor(watched: Watched) {
		this.#watched = watched;
		takeOwnTime(watched.raw.socket);
		this.#whole = setTimeout(() => this.#expire(), watched.limits.uploadTimeoutMs);
		this.#idle = this.#waitForMore();
	}

	/** What came is being worked on. */
	hold(): void {
		clearTimeout(this.#idle);
	}

	wait(): void {
		this.#idle = this.#waitForMore();
	}

	/** Nothing more is read of it. What a caller does not stop sending after his answer does not hold the connection for ever. */
	end(): void {
		clearTimeout(this.#whole);
		clearTimeout(this.#idle);
		const { raw, limits } = this.#watched;
		leaveOwnTime(raw.socket);
		if (raw.complete || raw.destroyed) return;
		const rest = setTimeout(() => raw.destroy(), limits.requestTimeoutMs);
		raw.once("close", () => clearTimeout(rest));
	}

	#waitForMore(): NodeJS.Timeout {
		return setTimeout(() => this.#expire(), this.#watched.limits.requestTimeoutMs);
	}

	#expire(): void {
		const { raw, id } = this.#watched;
		answerOnSocket(raw.socket, LATE_REQUEST, id);
		raw.socket.destroySoon();
	}
}
