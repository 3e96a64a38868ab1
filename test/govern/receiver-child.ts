import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

/**
 * The receiver of `npm run check:govern`, a process of its own so that it can be killed: takes a Standard Webhooks message, writes it
 * down for good and answers. Whoever kills it in between makes the sender repeat itself under the same id.
 *
 * Arguments: port, file. GOVERN_WEBHOOK_SECRET signs.
 */
const [port, file = ""] = process.argv.slice(2);
const webhook = new Webhook(process.env["GOVERN_WEBHOOK_SECRET"] ?? "");
const descriptor = openSync(file, "a");

const server = createServer((request, response) => {
	const pieces: Buffer[] = [];
	request.on("data", (piece: Buffer) => pieces.push(piece));
	request.on("end", () => {
		const body = Buffer.concat(pieces).toString();
		const header = (name: string): string => String(request.headers[name] ?? "");
		const names = ["webhook-id", "webhook-timestamp", "webhook-signature"] as const;
		let problem: string | undefined;
		try {
			webhook.verify(body, Object.fromEntries(names.map((name) => [name, header(name)])));
		} catch (error) {
			problem = String(error);
		}
		writeSync(descriptor, `${JSON.stringify({ id: header("webhook-id"), problem, message: problem === undefined ? JSON.parse(body) : undefined })}\n`);
		fsyncSync(descriptor);
		response.writeHead(problem === undefined ? 204 : 400).end();
	});
});
server.listen(Number(port), "127.0.0.1", () => process.stdout.write("listening\n"));
process.on("SIGTERM", () => {
	closeSync(descriptor);
	process.exit(0);
});
