import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { type RawSearch, rootRoute } from "../../frame/root-route.tsx";

export const policyRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/policy",
	staticData: { title: "Policy" },
	/** `before`: policies applied before this revision. */
	validateSearch: ({ before }: RawSearch): { readonly before?: string | undefined } => (before && /^\d{1,18}$/.test(before) ? { before } : {}),
	component: lazyRouteComponent(() => import("./page.tsx"), "PolicyPage"),
});

export const policyCompareRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/policy/compare",
	staticData: { title: "Compare a policy" },
	component: lazyRouteComponent(() => import("./compare-page.tsx"), "ComparePage"),
});

export const policyRevisionRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/policy/$revision",
	staticData: { title: "Policy revision" },
	component: lazyRouteComponent(() => import("./revision-page.tsx"), "RevisionPage"),
});
