import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { type RawSearch, rootRoute } from "../../frame/root-route.tsx";

const NAMES = ["from", "to", "feature", "userId", "model", "provider", "keyId", "environment", "outcome", "after"] as const;
export type RequestsSearch = { readonly [Name in (typeof NAMES)[number]]?: string | undefined };

export const requestsRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/requests",
	staticData: { title: "Requests" },
	validateSearch: (raw: RawSearch): RequestsSearch => Object.fromEntries(NAMES.flatMap((name) => (raw[name] ? [[name, raw[name]]] : []))),
	component: lazyRouteComponent(() => import("./requests-page.tsx"), "RequestsPage"),
});

export const requestRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/requests/$requestId",
	staticData: { title: "Request" },
	component: lazyRouteComponent(() => import("./page.tsx"), "RequestPage"),
});
