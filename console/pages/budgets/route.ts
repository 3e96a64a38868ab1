import { createRoute, lazyRouteComponent } from "@tanstack/react-router";
import { rootRoute } from "../../frame/root-route.tsx";

export const budgetsRoute = createRoute({
	getParentRoute: () => rootRoute,
	path: "/budgets",
	staticData: { title: "Budgets" },
	component: lazyRouteComponent(() => import("./page.tsx"), "BudgetsPage"),
});
