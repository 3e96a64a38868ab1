import type { FastifyInstance } from "fastify";
import type { GatewayContext } from "../context.ts";

/** For load balancers and Prometheus; no key, no team or key ids. */
export function registerOperationRoutes(app: FastifyInstance, context: GatewayContext, isDraining: () => boolean): void {
	app.get("/healthz", (_request, reply) => reply.send({ status: "ok" }));
	app.get("/readyz", (_request, reply) => {
		const { isReady, reasons } = context.authority.readiness();
		const shown = isDraining() ? [...reasons, "the gateway is draining"] : reasons;
		return reply.code(isReady && !isDraining() ? 200 : 503).send({ status: isReady && !isDraining() ? "ready" : "not ready", reasons: shown });
	});
	app.get("/metrics", async (_request, reply) => {
		const text = await context.metrics.render();
		return reply.header("content-type", context.metrics.contentType).send(text);
	});
}
