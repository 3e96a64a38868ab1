import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { type RawSearch, rootRoute } from "../../frame/root-route.tsx";
import { LENGTHS, type Length, VIEWS, type View } from "./views.ts";

export type AlertsSearch = { readonly show?: View | undefined; readonly newest?: Length | undefined };

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
