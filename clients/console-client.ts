import type { z } from "zod";
import * as contract from "./session-contract.ts";

export type ConsoleLinkRequest = z.input<typeof contract.CreateConsoleLinkRequest>;
export type ConsoleLink = z.output<typeof contract.ConsoleLink>;

type Send = <Schema extends z.ZodType>(method: "POST", path: string, answer: Schema, body?: unknown) => Promise<z.output<Schema>>;

/** Ways into the console. */
export class ConsoleClient {
	readonly #adminUrl: string;
	readonly #send: Send;

	constructor(adminUrl: string, send: Send) {
		this.#adminUrl = adminUrl;
		this.#send = send;
	}

	/** `url` opens one session, within ten minutes; it is in this answer only. */
	async link(request: ConsoleLinkRequest = {}): Promise<ConsoleLink & { readonly url: string }> {
		const link = await this.#send("POST", "/console-links", contract.ConsoleLink, request);
		return { ...link, url: new URL(link.path, this.#adminUrl).href };
	}
}
