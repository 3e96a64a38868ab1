import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { rootRoute } from "../../frame/root-route.tsx";

export const requestsRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/requests",
	staticData: { title: "Requests" },
	component: lazyRouteComponent(() => import("./requests-page.tsx"), "RequestsPage"),
});

export const requestRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/requests/$requestId",
	staticData: { title: "Request" },
	component: lazyRouteComponent(() => import("./page.tsx"), "RequestPage"),
});
