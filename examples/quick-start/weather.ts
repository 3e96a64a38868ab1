/** The agent's task and its one tool; a real agent would ask a weather service. */

export const TASK = "Call get_weather for Lisbon, then say in one sentence what to wear.";

export const WEATHER_TOOL = {
	name: "get_weather",
	description: "Weather of a city, today.",
	schema: { type: "object" as const, properties: { city: { type: "string" } }, required: ["city"] },
};

export function getWeather(input: unknown): string {
	const { city } = input as { city?: unknown };
	return `In ${typeof city === "string" ? city : "an unknown city"}: sunny, 24 degrees.`;
}
