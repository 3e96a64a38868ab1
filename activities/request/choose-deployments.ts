import type { DeploymentCatalog, PricedDeployment } from "#activities/providers/port.ts";
import type { Endpoint, RequestProblem } from "#domain/bound/request.ts";
import type { PriceBook } from "#domain/pricing/price-book.ts";

export type Choice =
	| { readonly kind: "chosen"; readonly candidates: readonly PricedDeployment[] }
	| { readonly kind: "rejected"; readonly problem: RequestProblem };

/**
 * Deployments of an alias that serve the endpoint and have a price, in the order they are tried. An unpriced
 * model is refused for everyone: it is never free and never guessed.
 */
export function chooseDeployments(catalog: DeploymentCatalog, book: PriceBook, wanted: { readonly model: string; readonly endpoint: Endpoint }): Choice {
	const deployments = catalog.find(wanted.model, book);
	const name = wanted.model.slice(0, 200);
	if (deployments.length === 0) return catalog.followsPriceBook ? unpriced(name) : rejected("request.unknown_model", `There is no model named ${name}.`);
	const serving = deployments.filter((deployment) => deployment.paths[wanted.endpoint] !== undefined);
	if (serving.length === 0) return rejected("request.unknown_model", `The model ${name} is not served at this endpoint.`);
	const candidates = serving.flatMap((deployment) => {
		const line = book.find(deployment.pricedAs.provider, deployment.pricedAs.model);
		return line === undefined ? [] : [{ deployment, line }];
	});
	if (candidates.length > 0) return { kind: "chosen", candidates };
	return unpriced(serving[0]?.pricedAs.model ?? name);
}

function unpriced(model: string): Choice {
	return rejected(
		"pricing.unknown_model",
		`The model ${model} has no price, so it is not served. An administrator prices it with \`tollgate price set ${model}\`.`,
	);
}

function rejected(code: RequestProblem["code"], message: string): Choice {
	return { kind: "rejected", problem: { code, message, field: "model" } };
}
