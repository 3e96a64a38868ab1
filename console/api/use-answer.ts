import { keepPreviousData, type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type Answer, type AskablePath, type Question, readAnswer } from "./client.ts";

/** What events of the API name; whatever a page shows of a topic is asked again when it changed. */
export type Topic = "spend" | "budgets" | "increases" | "runs" | "batches" | "alerts" | "reports" | "statements" | "policy" | "keys" | "prices";

type Options = {
	readonly topics: readonly Topic[];
	/** Default true. */
	readonly isAsked?: boolean | undefined;
	/** What was shown before stays until the new answer is there; default false. */
	readonly keepsPrevious?: boolean | undefined;
};

/** `GET path`, kept and asked again when one of its topics changed. */
export function useAnswer<Path extends AskablePath>(path: Path, question: Question<Path>, { topics, isAsked = true, keepsPrevious = false }: Options) {
	return useQuery({
		queryKey: [path, question],
		queryFn: ({ signal }): Promise<Answer<Path>> => readAnswer(path, question, signal),
		enabled: isAsked,
		meta: { topics },
		// The library's type of it asks for the answer's own, which a question of any path has not.
		...(keepsPrevious && { placeholderData: keepPreviousData as never }),
	});
}

/** A change; what is shown of its topics is asked again afterwards. */
export function useChange<Input, Result>(topics: readonly Topic[], change: (input: Input) => Promise<Result>) {
	const client = useQueryClient();
	return useMutation({ mutationFn: change, onSuccess: () => invalidateTopics(client, topics) });
}

export function invalidateTopics(client: QueryClient, topics: readonly string[]): Promise<void> {
	return client.invalidateQueries({
		predicate: ({ meta }) => ((meta?.["topics"] as readonly string[] | undefined) ?? []).some((topic) => topics.includes(topic)),
	});
}
