import type { Socket } from "node:net";

/**
 * Requests that are not complete in time. node:http knows one time for the requests of all routes, and tells of one that is late once; a route
 * whose bodies may take longer says so here and watches over the body itself.
 */
const ownTimes = new WeakSet<Socket>();

export function takeOwnTime(socket: Socket): void {
	ownTimes.add(socket);
}

/** The next request of the connection has the server's time again. */
export function leaveOwnTime(socket: Socket): void {
	ownTimes.delete(socket);
}

export function hasOwnTime(socket: Socket): boolean {
	return ownTimes.has(socket);
}

export const LATE_REQUEST = ["408 Request Timeout", "The request was not complete in time."] as const;

/** An answer where none of the routes can give one; the protocol may be unknown, so it has the shape of OpenAI's. */
export function answerOnSocket(socket: Socket, [status, message]: readonly [status: string, message: string], requestId: string): void {
	const body = JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code: "request.invalid" } });
	const head = [
		`HTTP/1.1 ${status}`,
		"connection: close",
		"content-type: application/json",
		`content-length: ${Buffer.byteLength(body)}`,
		`x-tollgate-request-id: ${requestId}`,
		`x-request-id: ${requestId}`,
		"x-should-retry: false",
	];
	socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}
