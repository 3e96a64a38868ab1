import type { Deployment, DeploymentCatalog, PricedDeployment } from "#activities/providers/port.ts";
import type { Endpoint, RequestProblem } from "#domain/bound/request.ts";
import type { Serving } from "#domain/budget/degrade.ts";
import type { PriceBook, Protocol } from "#domain/pricing/price-book.ts";
import { shellWord } from "#domain/shell-word.ts";

export type Choice =
	| { readonly kind: "chosen"; readonly candidates: readonly PricedDeployment[] }
	| { readonly kind: "rejected"; readonly problem: RequestProblem };

type Wanted = { readonly model: string; readonly endpoint: Endpoint };

/**
 * Deployments of an alias that serve the endpoint and have a price, in the order they are tried. An unpriced
 * model is refused for everyone: it is never free and never guessed.
 */
export function chooseDeployments(catalog: DeploymentCatalog, book: PriceBook, wanted: Wanted): Choice {
	const deployments = catalog.find(wanted.model, book);
	const name = wanted.model.slice(0, 200);
	if (deployments.length === 0) return catalog.followsPriceBook ? unserved(catalog, book, wanted) : unknown(`There is no model named ${name}.`);
	const candidates: PricedDeployment[] = [];
	let unpricedAs: Deployment["pricedAs"] | undefined;
	for (const deployment of deployments) {
		if (deployment.paths[wanted.endpoint] === undefined) continue;
		const line = book.find(deployment.pricedAs.provider, deployment.pricedAs.model);
		if (line === undefined) unpricedAs ??= deployment.pricedAs;
		else candidates.push({ deployment, line });
	}
	if (candidates.length > 0) return { kind: "chosen", candidates };
	return unpricedAs === undefined
		? unknown(`The model ${name} is not served at this endpoint.`)
		: unpriced({ provider: unpricedAs.provider, model: unpricedAs.model, endpoint: wanted.endpoint });
}

/** The same for a call that lines make another alias serve. Fails closed: the model asked for may not be used, and the one in its place cannot be. */
export function chooseServing(
	catalog: DeploymentCatalog,
	book: PriceBook,
	{ serving, endpoint }: { readonly serving: Serving; readonly endpoint: Endpoint },
): Choice {
	const { asked, served, by } = serving;
	const choice = chooseDeployments(catalog, book, { model: served, endpoint });
	if (choice.kind === "chosen") return choice;
	const whose = by === undefined ? "The run has reached a ceiling" : "Spend has reached a line";
	const message = `${whose} beyond which ${asked} is served by ${served}, which cannot be used here. ${choice.problem.message}`;
	return { kind: "rejected", problem: { ...choice.problem, message } };
}

/** Nobody offers it: for want of a price, of a key, or of the provider itself. */
function unserved(catalog: DeploymentCatalog, book: PriceBook, wanted: Wanted): Choice {
	const name = wanted.model.slice(0, 200);
	const line = book.lines.find(({ model, aliases }) => model === wanted.model || aliases.includes(wanted.model));
	if (line === undefined) {
		const protocol = protocolOf(wanted.endpoint);
		return unpriced({ provider: catalog.offered.find((offer) => offer.protocol === protocol)?.pricedAs, model: name, endpoint: wanted.endpoint });
	}
	const missing = catalog.withoutKey.find(({ pricedAs }) => pricedAs === line.provider);
	return unknown(
		missing === undefined
			? `The model ${name} has a price as a model of ${line.provider}, but no configured provider serves it. An administrator adds one with TOLLGATE_PROVIDERS_FILE (docs/providers.md).`
			: `The model ${name} is one of ${line.provider}, which is not offered because it has no key. An administrator sets ${missing.keyVariable} and starts Tollgate again.`,
	);
}

/** Names the command that prices it; what stands in capitals is for a person to fill in. */
function unpriced({ provider, model, endpoint }: { readonly provider: string | undefined } & Wanted): Choice {
	const protocol = protocolOf(endpoint);
	const isEmbeddings = endpoint === "embeddings";
	const command = [
		`npx tollgate price set --provider ${shellWord(provider ?? protocol)} --model ${shellWord(model)}`,
		...(protocol === "openai" ? [] : [`--protocol ${protocol}`]),
		isEmbeddings ? "--kind embeddings --input USD --context-window TOKENS" : "--input USD --output USD --context-window TOKENS --max-output TOKENS",
	].join(" ");
	return rejected(
		"pricing.unknown_model",
		`The model ${model} has no price, so it is not served. An administrator prices it, in dollars per million tokens, with: ${command}`,
	);
}

function protocolOf(endpoint: Endpoint): Protocol {
	return endpoint === "messages" || endpoint === "count_tokens" ? "anthropic" : "openai";
}

function unknown(message: string): Choice {
	return rejected("request.unknown_model", message);
}

function rejected(code: RequestProblem["code"], message: string): Choice {
	return { kind: "rejected", problem: { code, message, field: "model" } };
}
