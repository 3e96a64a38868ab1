import type { GatewayContext } from "../context.ts";
import type { Problem } from "../problem.ts";
import { LINE_BYTES_MAX } from "./limits.ts";
import type { BatchRoutes } from "./ports.ts";

/** Uploads and creations that are worked on at a gateway: each holds a request at a time and takes turns of the event loop for seconds. */
export type Places = {
	/** Gives the place back with the function it returns, called once; undefined when all are taken. */
	enter(): (() => void) | undefined;
};

const BUSY_MAX = 8;

export function createPlaces({ heldBodies }: Pick<GatewayContext, "heldBodies">, { busyMax = BUSY_MAX }: Pick<BatchRoutes, "busyMax">): Places {
	let busy = 0;
	return {
		enter() {
			if (busy >= busyMax) return undefined;
			const held = heldBodies.enter(LINE_BYTES_MAX);
			if (held === undefined) return undefined;
			busy += 1;
			return () => {
				busy -= 1;
				held.leave();
			};
		},
	};
}

export const ALL_BUSY: Problem = {
	code: "gateway.overloaded",
	message: "This gateway works on as many batches as it may at once; try again shortly. Nothing was kept and nothing is charged.",
	retryAfterSeconds: 5,
};
