import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { type RawSearch, rootRoute } from "../../frame/root-route.tsx";

/** What stands now, everything that is kept, and what some channel did not take. */
export const VIEWS = ["standing", "all", "dead"] as const;
export type View = (typeof VIEWS)[number];
/** The API gives the newest ones and no pages: more are asked for by a larger number. */
export const LENGTHS = ["50", "200", "1000"] as const;

export type AlertsSearch = { readonly show?: View | undefined; readonly newest?: (typeof LENGTHS)[number] | undefined };

export const alertsRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/alerts",
	staticData: { title: "Alerts" },
	validateSearch: ({ show, newest }: RawSearch): AlertsSearch => {
		const view = VIEWS.find((one) => one === show);
		const length = LENGTHS.find((one) => one === newest);
		return { ...(view && { show: view }), ...(length && { newest: length }) };
	},
	component: lazyRouteComponent(() => import("./page.tsx"), "AlertsPage"),
});

export const alertRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/alerts/$alertId",
	staticData: { title: "Alert" },
	component: lazyRouteComponent(() => import("./alert-page.tsx"), "AlertPage"),
});
