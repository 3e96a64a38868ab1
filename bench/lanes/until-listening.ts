import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/** Resolves once somebody accepts connections on the port; whoever waits bounds the time. */
export async function untilListening(port: number): Promise<void> {
	while (!(await accepts(port))) await pause(50);
}

function accepts(port: number): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect({ host: "127.0.0.1", port });
		const answer = (isOpen: boolean) => () => {
			socket.destroy();
			resolve(isOpen);
		};
		socket.once("connect", answer(true));
		socket.once("error", answer(false));
	});
}
