import type { FastifyInstance } from "fastify";
import type { GatewayContext } from "../context.ts";

/** For load balancers and Prometheus; no key, no team or key ids. */
export function registerOperationRoutes(app: FastifyInstance, context: GatewayContext, isDraining: () => boolean): void {
	app.get("/healthz", (_request, reply) => reply.send({ status: "ok" }));
	app.get("/readyz", (_request, reply) => {
		const { isReady: isServing, reasons } = context.authority.readiness();
		const own = [...(isDraining() ? ["the gateway is draining"] : []), ...(context.heldBodies.isFull ? ["request bodies fill the memory kept for them"] : [])];
		const isReady = isServing && own.length === 0;
		return reply.code(isReady ? 200 : 503).send({ status: isReady ? "ready" : "not ready", reasons: [...reasons, ...own] });
	});
	app.get("/metrics", async (_request, reply) => {
		const text = await context.metrics.render();
		return reply.header("content-type", context.metrics.contentType).send(text);
	});
}
