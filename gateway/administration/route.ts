import type { Readable } from "node:stream";
import type { z } from "zod";
import type { Administration, WorkflowLinks } from "#activities/administration/port.ts";
import type { AlertSender } from "#activities/alerts/sender.ts";
import type { BatchJobs } from "#activities/batches/job/job-port.ts";
import type { Months } from "#activities/chargeback/close.ts";
import type { PolicyContext } from "#activities/policy/port.ts";
import type { ReportSettings } from "#activities/reports/port.ts";
import type { SpendSums } from "#activities/spend/recount-spend.ts";
import type { AdminGrant } from "#domain/access/admin-role.ts";
import type { KeptPlaceProblem } from "#domain/alerts/channel.ts";
import type { RouteAccess } from "./access.ts";
import type { Caller } from "./caller.ts";
import type { ChangeFeed } from "./change-feed.ts";
import type { SignInTries } from "./sign-in-tries.ts";

/** What a handler may use: the database, the teams' workflows, and of batches, prices and providers, channels of alerts, and who is asking. */
export type RouteContext = Administration &
	PolicyContext &
	Pick<AdminGrant, "teamIds"> & {
		/** Who asks; where nobody has to have signed in, nobody. */
		readonly caller: Caller;
		readonly visitor: Visitor;
		readonly console: ConsoleSettings;
		readonly workflows: WorkflowLinks;
		readonly feed: ChangeFeed;
		readonly alertSender: AlertSender;
		readonly keptPlaceProblem: KeptPlaceProblem;
		readonly reports: ReportSettings;
		/** Absent: the workflows of batches cannot be asked here. */
		readonly batchJobs?: BatchJobs | undefined;
		/** Absent: months cannot be closed here. */
		readonly months?: Months | undefined;
		/** Absent: sums of spend cannot be made anew here. */
		readonly spendSums?: SpendSums | undefined;
	};

/** The browser that asks, before it is known who sits at it. */
export type Visitor = {
	/** Of the connection. */
	readonly address: string;
	/** Secret of the session it shows. */
	readonly cookie: string | undefined;
	readonly tries: SignInTries;
	/** Of a stream of events that it listens to again. */
	readonly lastEventId: string | undefined;
};

export type ConsoleSettings = {
	/** Where the web UI of Temporal is, for links to workflows. */
	readonly temporalUiUrl: string | null;
	/** The identity provider people may sign in with. */
	readonly oidc: { readonly name: string; readonly startUrl: string } | null;
};

/** An answer that opens a session (`token`, for its cookie), or ends the one that asked (null). */
export class AnswerWithSession<Answer> {
	readonly answer: Answer;
	readonly token: string | null;

	constructor(answer: Answer, token: string | null) {
		this.answer = answer;
		this.token = token;
	}
}

/** An answer that goes on. */
export class StreamedAnswer {
	readonly type: string;
	readonly stream: Readable;

	private constructor(type: string, stream: Readable) {
		this.type = type;
		this.stream = stream;
	}

	static events(stream: Readable): StreamedAnswer {
		return new StreamedAnswer("text/event-stream; charset=utf-8", stream);
	}
}

/** An answer that is text already. */
export class WrittenAnswer {
	readonly type: string;
	readonly text: string;

	private constructor(type: string, text: string) {
		this.type = type;
		this.text = text;
	}

	/** It may be large, and was put together where that holds nobody up. Values by name; those of `parts` are JSON themselves. */
	static json(values: Readonly<Record<string, unknown>>, parts: Readonly<Record<string, string>>): WrittenAnswer {
		const fields = [...Object.entries(values).map(([name, value]) => [name, JSON.stringify(value)] as const), ...Object.entries(parts)];
		return new WrittenAnswer("application/json; charset=utf-8", `{${fields.map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(",")}}`);
	}

	static html(text: string): WrittenAnswer {
		return new WrittenAnswer("text/html; charset=utf-8", text);
	}

	static markdown(text: string): WrittenAnswer {
		return new WrittenAnswer("text/markdown; charset=utf-8", text);
	}

	static csv(text: string): WrittenAnswer {
		return new WrittenAnswer("text/csv; charset=utf-8", text);
	}
}

/** One route of the administration API: everything the server and the OpenAPI document need to know. */
export type Route = {
	readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
	/** Below /admin/v1, parameters in braces. */
	readonly path: string;
	readonly operationId: string;
	readonly summary: string;
	readonly access: RouteAccess;
	readonly query: z.ZodObject | undefined;
	readonly body: z.ZodType | undefined;
	readonly answer: z.ZodType;
	readonly status: 200 | 201;
	/** Largest body; default 1 MiB. */
	readonly bodyBytesMax: number | undefined;
	/** Field of the body that holds the text of a file: it alone may break lines. */
	readonly fileField: string | undefined;
	handle(context: RouteContext, input: { params: Readonly<Record<string, string>>; query: unknown; body: unknown }): Promise<unknown>;
};

type Input<Query extends z.ZodObject | undefined, Body extends z.ZodType | undefined> = {
	readonly params: Readonly<Record<string, string>>;
	readonly query: Query extends z.ZodType ? z.output<Query> : undefined;
	readonly body: Body extends z.ZodType ? z.output<Body> : undefined;
};

type RouteDefinition<Query extends z.ZodObject | undefined, Body extends z.ZodType | undefined, Answer extends z.ZodType> = {
	/** Who may use it, and how a team owner is kept to his teams. */
	readonly access: RouteAccess;
	readonly query?: Query;
	readonly body?: Body;
	readonly answer: Answer;
	readonly status?: 200 | 201;
	readonly bodyBytesMax?: number;
	readonly fileField?: string;
	readonly summary: string;
	readonly operationId: string;
	handle(context: RouteContext, input: Input<Query, Body>): Promise<z.input<Answer> | WrittenAnswer | StreamedAnswer | AnswerWithSession<z.input<Answer>>>;
};

/** Ties the types of a handler to its schemas; the server validates before it calls. `at` is method and path, like "GET /teams". */
export function defineRoute<Answer extends z.ZodType, Query extends z.ZodObject | undefined = undefined, Body extends z.ZodType | undefined = undefined>(
	at: `${Route["method"]} /${string}`,
	definition: RouteDefinition<Query, Body, Answer>,
): Route {
	const space = at.indexOf(" ");
	return {
		method: at.slice(0, space) as Route["method"],
		path: at.slice(space + 1),
		operationId: definition.operationId,
		summary: definition.summary,
		access: definition.access,
		query: definition.query,
		body: definition.body,
		answer: definition.answer,
		status: definition.status ?? 200,
		bodyBytesMax: definition.bodyBytesMax,
		fileField: definition.fileField,
		handle: (context, input) => definition.handle(context, input as Input<Query, Body>),
	};
}
