import type { FastifyInstance, FastifyRequest } from "fastify";
import type { ServedModel } from "#activities/providers/port.ts";
import type { GatewayContext } from "../context.ts";
import { renderProblem } from "../problem.ts";
import { protocolOf } from "../protocol.ts";

/** The provider's own "created" dates are not known here; both SDKs require the field. */
const CREATED_AT = "1970-01-01T00:00:00Z";

/** `GET /v1/models` in the shape of the caller's protocol: what this key may call, nothing about who serves it. */
export function registerModelListRoutes(app: FastifyInstance, context: GatewayContext): void {
	app.get("/v1/models", (request, reply) => {
		const models = visibleModels(context, request);
		if (protocolOf(request) === "openai") return reply.send({ object: "list", data: models.map(toOpenAi) });
		return reply.send({ data: models.map(toAnthropic), has_more: false, first_id: models[0]?.alias ?? null, last_id: models.at(-1)?.alias ?? null });
	});
	app.get<{ Params: { "*": string } }>("/v1/models/*", (request, reply) => {
		const wanted = request.params["*"];
		const model = visibleModels(context, request).find((candidate) => candidate.alias === wanted);
		const protocol = protocolOf(request);
		if (model !== undefined) return reply.send(protocol === "openai" ? toOpenAi(model) : toAnthropic(model));
		const problem = renderProblem(
			{ code: "request.unknown_model", message: `There is no model named ${wanted.slice(0, 200)} for this key.`, field: "model" },
			protocol,
			request.id,
		);
		for (let index = 0; index < problem.headers.length; index += 2) reply.header(problem.headers[index] ?? "", problem.headers[index + 1]);
		return reply.code(problem.status).send(problem.body);
	});
}

function visibleModels(context: GatewayContext, request: FastifyRequest): readonly ServedModel[] {
	const served = context.pipeline.catalog.served(context.authority.priceBook());
	const allowed = request.virtualKey?.models ?? null;
	return allowed === null ? served : served.filter((model) => allowed.includes(model.alias));
}

function toOpenAi(model: ServedModel) {
	return { id: model.alias, object: "model", created: 0, owned_by: model.provider };
}

function toAnthropic(model: ServedModel) {
	return { type: "model", id: model.alias, display_name: model.alias, created_at: CREATED_AT };
}
