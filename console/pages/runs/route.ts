import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { RUN_STATES, type RunState } from "#domain/agents/run.ts";
import { type RawSearch, rootRoute } from "../../frame/root-route.tsx";

export type RunsSearch = { readonly state?: RunState | undefined /** Number of the last one of the page before. */; readonly before?: string | undefined };

export const runsRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/runs",
	staticData: { title: "Runs" },
	validateSearch: ({ state, before }: RawSearch): RunsSearch => {
		const known = RUN_STATES.find((one) => one === state);
		return { ...(known && { state: known }), ...(before && { before }) };
	},
	component: lazyRouteComponent(() => import("./page.tsx"), "RunsPage"),
});

export const runRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/runs/$runId",
	staticData: { title: "Run" },
	component: lazyRouteComponent(() => import("./run-page.tsx"), "RunPage"),
});
