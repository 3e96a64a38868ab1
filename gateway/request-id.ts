import { randomBytes } from "node:crypto";

/** Request ids unique over all processes and restarts: a random start per process, then a counter. */
export function createRequestIds(): () => string {
	const start = `req_${randomBytes(9).toString("base64url").replaceAll(/[-_]/g, "0")}`;
	let count = 0;
	return () => {
		count += 1;
		return `${start}${count.toString(36).padStart(4, "0")}`;
	};
}
