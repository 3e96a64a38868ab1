// Written by scripts/write-reference-docs.ts from the routes of /admin/v1; not edited by hand.

export interface paths {
    "/admin/v1/teams": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** All teams */
        get: operations["listTeams"];
        put?: never;
        /** Create a team, with its first budget */
        post: operations["createTeam"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/teams/{teamId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One team */
        get: operations["readTeam"];
        put?: never;
        post?: never;
        /** End a team and its keys; its books stay */
        delete: operations["deleteTeam"];
        options?: never;
        head?: never;
        /** Change a team's policy or limits, or declare it unlimited */
        patch: operations["changeTeam"];
        trace?: never;
    };
    "/admin/v1/teams/{teamId}/today": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a team spent on its local day so far, and what was expected of it */
        get: operations["readTeamToday"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/teams/{teamId}/freeze": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Stop all spending of a team at once */
        post: operations["freezeTeam"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/teams/{teamId}/unfreeze": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a frozen team spend again */
        post: operations["unfreezeTeam"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/throttles": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Keys and users that are throttled */
        get: operations["listThrottles"];
        put?: never;
        post?: never;
        /** End a throttle before its time */
        delete: operations["endThrottle"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Virtual keys, page by page, without secrets */
        get: operations["listKeys"];
        put?: never;
        /** Create a virtual key; the secret is in this answer only */
        post: operations["createKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/keys/{keyId}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** A successor with the same rights; the old key works on for the overlap */
        post: operations["rotateKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/keys/{keyId}/revoke": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Refuse a key from now on, on every gateway */
        post: operations["revokeKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/budgets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Budgets with their current windows */
        get: operations["listBudgets"];
        /** Set one budget; answered when it is in force */
        put: operations["setBudget"];
        post?: never;
        /** End one budget; its books stay */
        delete: operations["removeBudget"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/increases": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Increases that wait for a decision or are in force, the newest first; with all, every one */
        get: operations["listIncreases"];
        put?: never;
        /** Ask for a temporarily higher limit, or to spend beyond a line that needs approval */
        post: operations["requestIncrease"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/increases/{increaseId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One increase: who asked, why, who decided, what then held */
        get: operations["readIncrease"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/increases/{increaseId}/approve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Raise the limit as asked, or by less; answered when it is in force */
        post: operations["approveIncrease"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/increases/{increaseId}/reject": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Refuse an increase, with a reason */
        post: operations["rejectIncrease"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/increases/{increaseId}/withdraw": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Take back what one asked for */
        post: operations["withdrawIncrease"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/increases/{increaseId}/end": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End a raise in force before its date; answered when the lower limit is in force */
        post: operations["endIncrease"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Agent runs, the newest first, page by page */
        get: operations["listRuns"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/runs/{runId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One run: why it stands, what it took of its ceilings, its last steps, and what happened to it */
        get: operations["readRun"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/runs/{runId}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Let a held run go on, and forgive what repeated so far */
        post: operations["resumeRun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/runs/{runId}/approve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Raise ceilings of a run and let it go on */
        post: operations["approveRun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/runs/{runId}/raise": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Raise ceilings of a run; those that its ceilings held go on */
        post: operations["raiseRun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/runs/{runId}/stop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Refuse every further step of a run and of those below it */
        post: operations["stopRun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/runs/{runId}/finish": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End a run and those below it for good; its id is never used again */
        post: operations["finishRun"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/batches": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Batches, the newest first, page by page */
        get: operations["listBatches"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/batches/savings": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What batches cost, those of files and those of items handed in alone, and what the same would have cost in real time, by team */
        get: operations["readBatchSavings"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/batches/{batchId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One batch: how far it is, what it holds and has cost, its parts at the provider, and what holds it up */
        get: operations["readBatch"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/batches/{batchId}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End a batch: what the provider has finished is paid, the rest is given back */
        post: operations["cancelBatch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/batches/{batchId}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Try at once what a batch waits for, and begin its workflow where there is none */
        post: operations["retryBatch"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/deferred": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Items of a team that were handed in alone, the newest first, page by page */
        get: operations["listDeferred"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/deferred/report": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What items handed in alone cost, what they would have cost in real time, and what came late, by team and lane */
        get: operations["reportDeferred"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/deferred/webhooks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Webhooks of ended items, the newest end first; those that were given up where nothing else is asked for */
        get: operations["listDeferredWebhooks"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/deferred/webhooks/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send again what was given up, of one item, of a channel, or of all */
        post: operations["retryDeferredWebhooks"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/deferred/{deferredId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One item that was handed in alone: its lane, its batch, what it holds and has cost */
        get: operations["readDeferred"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/deferred/{deferredId}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** End an item that no part carries; one that a part carries ends as that part does */
        post: operations["cancelDeferred"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/policy": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What holds now, and the basis to apply on */
        get: operations["readPolicy"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/policy/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Policies that were applied, the newest first, page by page */
        get: operations["listPolicyRevisions"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/policy/{revision}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One applied policy: the file, what it changed, and what held since */
        get: operations["readPolicyRevision"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/policy/diff": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** What a policy file would change; nothing is written */
        post: operations["diffPolicy"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/policy/apply": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Put a policy file in force, whole or not at all, as the diff on its basis said */
        post: operations["applyPolicy"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/policy/import/litellm": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** A LiteLLM configuration as a policy file; nothing is written */
        post: operations["importLiteLlm"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/spend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was spent, by dimensions and periods; as CSV with format=csv */
        get: operations["readSpend"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/spend/recounts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Make the sums of past days anew from the ledger, where verify says that they are not its entries' */
        post: operations["recountSpend"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Which calls of each feature a cheaper model would serve, and what that would save; as CSV with format=csv */
        get: operations["auditModels"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/statements": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Months with statements, the newest first */
        get: operations["listStatementMonths"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/statements/{month}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What each team owes for a month, page by page */
        get: operations["readStatements"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/statements/{month}/lines": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The lines of a month's statements, page by page; as CSV with format=csv */
        get: operations["readStatementLines"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/statements/{month}/close": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Draft the statements of a month that is over, and close it; where the rules say so, after approval */
        post: operations["closeMonth"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/statements/{month}/approve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Close a month as it is drafted */
        post: operations["approveStatements"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/statements/{month}/reject": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Keep a month open; closing it makes another draft */
        post: operations["rejectStatements"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/chargeback-rules": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How months are charged back from now on */
        get: operations["readChargebackRules"];
        /** Set how months are charged back from now on, as a whole; closed months stay as they are */
        put: operations["setChargebackRules"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/charges": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was spent on a day of UTC as finely as it is kept, page by page */
        get: operations["readCharges"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/reports": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Reports that were written, the newest period first */
        get: operations["listReports"];
        put?: never;
        /** Write the report of a day, week or month that is over; one that was written before is given back as it is */
        post: operations["makeReport"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/reports/{reportId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One report, as data, as a page with format=html, or as Markdown with format=markdown */
        get: operations["readReport"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/forecast": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a month will have cost, by team or feature, beside its budget; as CSV with format=csv */
        get: operations["readForecast"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/anomalies": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Days on which a team or feature spent more than it should have, and why; as CSV with format=csv */
        get: operations["readAnomalies"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/requests": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Calls of a team, the newest first, page by page */
        get: operations["listRequests"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/requests/{requestId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What one request cost and why, or why it was refused */
        get: operations["explainRequest"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/refusals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was refused in the last days, or would have been by observed budgets, by team and reason */
        get: operations["sumRefusals"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/leases": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Money that gateways hold */
        get: operations["listLeases"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/leases/resolve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Settle what a gateway that never comes back has left open */
        post: operations["resolveLease"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/changes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who changed what, in order */
        get: operations["listChanges"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/prices": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Price lines in force */
        get: operations["listPrices"];
        /** Set the price of one model */
        put: operations["setPrice"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/prices/check": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** What a usage costs, and how that was made */
        post: operations["checkPrice"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/users": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Users that have a readable name, page by page */
        get: operations["listUsers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/users/{userId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Give a user id a readable name */
        put: operations["nameUser"];
        post?: never;
        /** Forget a user's readable name; what the id spent stays in the books */
        delete: operations["eraseUser"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/admin-keys": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Admin keys, without secrets */
        get: operations["listAdminKeys"];
        put?: never;
        /** Create an admin key for a person; the secret is in this answer only */
        post: operations["createAdminKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/admin-keys/{adminKeyId}/revoke": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Revoke an admin key; the last one of an operator stays */
        post: operations["revokeAdminKey"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who is signed in, with which rights, until when */
        get: operations["readSession"];
        put?: never;
        /** Sign in with a one-time link or an admin key; the answer sets the cookie of the session */
        post: operations["signIn"];
        /** Sign out: the session ends at once */
        delete: operations["signOut"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/session/ways": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How one may sign in beside links and admin keys */
        get: operations["listSignInWays"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Server-sent events: which of what pages show has changed, at most once a second */
        get: operations["listenForChanges"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/console-links": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** A one-time link to the console; what opens the session is in this answer only */
        post: operations["createConsoleLink"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/alerts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Alerts and their deliveries, the newest first */
        get: operations["listAlerts"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/alerts/{alertId}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** One alert: what it said, where it went and what the receivers answered */
        get: operations["readAlert"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/alerts/{alertId}/retry": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send again what of an alert was given up */
        post: operations["retryAlert"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/alerts/retry-dead": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send again everything that was given up */
        post: operations["retryDeadAlerts"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/alerts/{alertId}/acknowledge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Say that somebody knows it was not delivered */
        post: operations["acknowledgeAlert"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/alert-channels": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Channels and routes of alerts, without secrets */
        get: operations["listAlertChannels"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/alert-channels/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Make an alert channel, or set it anew */
        put: operations["setAlertChannel"];
        post?: never;
        /** End an alert channel that no route names; what waits for it is not told */
        delete: operations["removeAlertChannel"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/alert-channels/{name}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Send a test alert now; answers what the receiver said */
        post: operations["testAlertChannel"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/admin/v1/alert-routes": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Set which alerts of a team go where, as a whole */
        put: operations["setAlertRoutes"];
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        Problem: {
            error: {
                code: string;
                message: string;
                field: string | null;
                /** @description of a policy file, every one */
                mistakes?: {
                    file: string;
                    /** @description from 1 */
                    line: number;
                    /** @description from 1 */
                    column: number;
                    /** @description like teams.search.budgets[0].limitUsd; empty = the file as a whole */
                    path: string;
                    problem: string;
                }[];
                /** @description what a policy would change now, where something was changed since it was looked at */
                diff?: {
                    /** @description give it to apply */
                    basis: string;
                    /** @description empty = the file holds already */
                    changes: {
                        /** @enum {string} */
                        kind: "add" | "change" | "archive";
                        /** @description sections and names down to the entry */
                        at: string[];
                        path: string;
                        /** @description null = nothing */
                        before: unknown;
                        /** @description null = nothing */
                        after: unknown;
                        /** @description what calls feel of it: tightens, loosens, both or neutral */
                        effect: string;
                        summary: string;
                    }[];
                    /** @description the same for people */
                    text: string;
                };
            };
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    listTeams: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description All teams */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        teams: {
                            id: string;
                            isUnlimited: boolean;
                            isFrozen: boolean;
                            policy: {
                                [key: string]: unknown;
                            };
                            limits: {
                                readonly caps: {
                                    feature: string | null;
                                    inputTokens?: number;
                                    outputTokens?: number;
                                    /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                    costNanoUsd?: string;
                                }[];
                                readonly rates: {
                                    dimension: string;
                                    dimensionValue: string;
                                    requestsPerMinute?: number;
                                    tokensPerMinute?: number;
                                    inFlight?: number;
                                }[];
                            };
                            /** @description ISO 8601, UTC */
                            createdAt: string;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    createTeam: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    id: string;
                    isUnlimited?: boolean;
                    /** @description admissionWaitMs, clampFloorTokens, clampFloorReasoningTokens, mayLowerCallerCap (true|false), unknownFields (refuse|pass), onDisconnect (drain|cancel), maxCallMs, outageAllowanceNanoUsd and outageAllowanceTokens (kept by each gateway in every budget for an outage of PostgreSQL), velocitySigmas, velocityMinimumNanoUsd and velocityThrottleMinutes (docs/limits.md); what is left out keeps its default */
                    policy?: {
                        [key: string]: unknown;
                    };
                    /** @description caps and rates as in the answer (docs/limits.md); replaced as a whole */
                    limits?: {
                        [key: string]: unknown;
                    };
                    budget?: {
                        /** @description team (default), feature, user, model, provider, key, environment, organization */
                        dimension?: string;
                        /** @description which feature, user, model …; absent for team and organization */
                        dimensionValue?: string;
                        /** @description nano_usd (default) or tokens */
                        unit?: string;
                        /** @description hour, day, week, month, quarter or lifetime */
                        windowKind: string;
                        /** @description IANA name; default: as it is, UTC for a new budget */
                        timeZone?: string;
                        /** @description dollars with at most nine decimals, like "0.25" */
                        limitUsd?: string;
                        /** @description limit as decimal string in the unit of the budget; this or limitUsd */
                        limitAmount?: string;
                        /** @description first day of a week, 1 = Monday (default) to 7 */
                        weekStart?: number;
                        /** @description first month of the fiscal year, 1 (default) to 12; quarters begin in it and in every third month after */
                        fiscalYearStart?: number;
                        /** @description enforce (default) or observe: books everything, refuses nothing, reports what it would have refused */
                        mode?: string;
                        /** @description all lines, ascending, at most 8; default: as they are, one notice at 80 % for a new budget; the limit itself is always a stop */
                        thresholds?: {
                            /** @description notify, degrade (to another model alias), needApproval or stop */
                            action: string;
                            /** @description one of the two */
                            at: {
                                /** @description hundredths of a percent of the limit, 1 to 10000 */
                                basisPoints?: number;
                                /** @description decimal string in the unit of the budget, at most the limit */
                                amount?: string;
                            };
                            /** @description of degrade: model alias asked for → alias served instead, over the same protocol */
                            degradeTo?: {
                                [key: string]: string;
                            };
                        }[];
                        /** @description short form of one stop in the place of all stops, in dollars; null takes them away */
                        stopUsd?: string | null;
                        /** @description the same in the unit of the budget */
                        stopAmount?: string | null;
                        /** @description short form of one notice in the place of all notices, in hundredths of a percent of the limit */
                        warnBasisPoints?: number;
                    };
                };
            };
        };
        responses: {
            /** @description Create a team, with its first budget */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        team: {
                            id: string;
                            isUnlimited: boolean;
                            isFrozen: boolean;
                            policy: {
                                [key: string]: unknown;
                            };
                            limits: {
                                readonly caps: {
                                    feature: string | null;
                                    inputTokens?: number;
                                    outputTokens?: number;
                                    /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                    costNanoUsd?: string;
                                }[];
                                readonly rates: {
                                    dimension: string;
                                    dimensionValue: string;
                                    requestsPerMinute?: number;
                                    tokensPerMinute?: number;
                                    inFlight?: number;
                                }[];
                            };
                            /** @description ISO 8601, UTC */
                            createdAt: string;
                        };
                        budget: {
                            id: string;
                            /** @description team name; "@organization" stands for the organisation where budgets are meant */
                            teamId: string;
                            dimension: string;
                            dimensionValue: string;
                            unit: string;
                            windowKind: string;
                            timeZone: string;
                            weekStart: number;
                            fiscalYearStart: number;
                            /** @description without increases */
                            limitAmount: string;
                            /** @description what increases in force add to it */
                            raisedAmount: string;
                            /** @description when the first of them ends */
                            raisedUntil: string | null;
                            mode: string;
                            thresholds: {
                                /** @description notify, degrade (to another model alias), needApproval or stop */
                                action: string;
                                /** @description one of the two */
                                at: {
                                    /** @description hundredths of a percent of the limit, 1 to 10000 */
                                    basisPoints?: number;
                                    /** @description decimal string in the unit of the budget, at most the limit */
                                    amount?: string;
                                };
                                /** @description of degrade: model alias asked for → alias served instead, over the same protocol */
                                degradeTo?: {
                                    [key: string]: string;
                                };
                            }[];
                            /** @description where spend stops below the limit in the current window; null = at the limit */
                            stopAmount: string | null;
                            /** @description that line waits for the approval of a person */
                            needsApproval: boolean;
                            /** @description up to here spend was approved in the current window */
                            approvedAmount: string;
                            /** @description calls of the current window that it would have refused, were it enforced; counted up to 1000 */
                            wouldRefuse: number;
                            isFrozen: boolean;
                            /** @description spent for certain */
                            postedAmount: string;
                            /** @description of what is left, leased by gateways for calls in flight and to come */
                            pendingAmount: string;
                            /** @description limit or stop less what is spent */
                            leftAmount: string;
                            /** @description stopped until the next window, or until the budget is set again */
                            isOverrun: boolean;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            overrunAmount: string;
                            windowStartsAt: string | null;
                            resetsAt: string | null;
                        } | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readTeam: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                teamId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One team */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        id: string;
                        isUnlimited: boolean;
                        isFrozen: boolean;
                        policy: {
                            [key: string]: unknown;
                        };
                        limits: {
                            readonly caps: {
                                feature: string | null;
                                inputTokens?: number;
                                outputTokens?: number;
                                /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                costNanoUsd?: string;
                            }[];
                            readonly rates: {
                                dimension: string;
                                dimensionValue: string;
                                requestsPerMinute?: number;
                                tokensPerMinute?: number;
                                inFlight?: number;
                            }[];
                        };
                        /** @description ISO 8601, UTC */
                        createdAt: string;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    deleteTeam: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                teamId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description End a team and its keys; its books stay */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        done: true;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    changeTeam: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                teamId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    isUnlimited?: boolean;
                    /** @description admissionWaitMs, clampFloorTokens, clampFloorReasoningTokens, mayLowerCallerCap (true|false), unknownFields (refuse|pass), onDisconnect (drain|cancel), maxCallMs, outageAllowanceNanoUsd and outageAllowanceTokens (kept by each gateway in every budget for an outage of PostgreSQL), velocitySigmas, velocityMinimumNanoUsd and velocityThrottleMinutes (docs/limits.md); what is left out keeps its default */
                    policy?: {
                        [key: string]: unknown;
                    };
                    /** @description caps and rates as in the answer (docs/limits.md); replaced as a whole */
                    limits?: {
                        [key: string]: unknown;
                    };
                };
            };
        };
        responses: {
            /** @description Change a team's policy or limits, or declare it unlimited */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        id: string;
                        isUnlimited: boolean;
                        isFrozen: boolean;
                        policy: {
                            [key: string]: unknown;
                        };
                        limits: {
                            readonly caps: {
                                feature: string | null;
                                inputTokens?: number;
                                outputTokens?: number;
                                /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                costNanoUsd?: string;
                            }[];
                            readonly rates: {
                                dimension: string;
                                dimensionValue: string;
                                requestsPerMinute?: number;
                                tokensPerMinute?: number;
                                inFlight?: number;
                            }[];
                        };
                        /** @description ISO 8601, UTC */
                        createdAt: string;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readTeamToday: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                teamId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What a team spent on its local day so far, and what was expected of it */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        /** @description of the team's day budget, else its month budget, else any; else the organisation's, else UTC */
                        timeZone: string;
                        /** @description the team's local day, like 2026-11-26 */
                        date: string;
                        /** @description booked so far, counted twice a minute */
                        spentNanoUsd: string;
                        /** @description median of the same weekday over six weeks; with under 14 days of history what the budgets allow per day; null = neither */
                        expectedNanoUsd: string | null;
                        expectedFrom: ("history" | "limit") | null;
                        /** @description more than twice what was expected */
                        isAboveExpected: boolean;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    freezeTeam: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                teamId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    reason: string;
                };
            };
        };
        responses: {
            /** @description Stop all spending of a team at once */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        id: string;
                        isUnlimited: boolean;
                        isFrozen: boolean;
                        policy: {
                            [key: string]: unknown;
                        };
                        limits: {
                            readonly caps: {
                                feature: string | null;
                                inputTokens?: number;
                                outputTokens?: number;
                                /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                costNanoUsd?: string;
                            }[];
                            readonly rates: {
                                dimension: string;
                                dimensionValue: string;
                                requestsPerMinute?: number;
                                tokensPerMinute?: number;
                                inFlight?: number;
                            }[];
                        };
                        /** @description ISO 8601, UTC */
                        createdAt: string;
                        /** @description false: it is in force, but Temporal does not answer; the team's workflow and the Temporal UI learn of it when it does */
                        isWorkflowTold: boolean;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    unfreezeTeam: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                teamId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Let a frozen team spend again */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        id: string;
                        isUnlimited: boolean;
                        isFrozen: boolean;
                        policy: {
                            [key: string]: unknown;
                        };
                        limits: {
                            readonly caps: {
                                feature: string | null;
                                inputTokens?: number;
                                outputTokens?: number;
                                /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                costNanoUsd?: string;
                            }[];
                            readonly rates: {
                                dimension: string;
                                dimensionValue: string;
                                requestsPerMinute?: number;
                                tokensPerMinute?: number;
                                inFlight?: number;
                            }[];
                        };
                        /** @description ISO 8601, UTC */
                        createdAt: string;
                        /** @description false: it is in force, but Temporal does not answer; the team's workflow and the Temporal UI learn of it when it does */
                        isWorkflowTold: boolean;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listThrottles: {
        parameters: {
            query?: {
                teamId?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Keys and users that are throttled */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        throttles: {
                            /** @description team name; "@organization" stands for the organisation where budgets are meant */
                            teamId: string;
                            /** @enum {string} */
                            dimension: "key" | "user";
                            value: string;
                            requestsPerMinute: number;
                            /** @description ISO 8601, UTC */
                            until: string;
                            reason: string;
                            /** @description ISO 8601, UTC */
                            setAt: string;
                            setBy: string;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    endThrottle: {
        parameters: {
            query: {
                teamId: string;
                dimension: "key" | "user";
                value: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description End a throttle before its time */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        done: true;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listKeys: {
        parameters: {
            query?: {
                teamId?: string;
                afterId?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Virtual keys, page by page, without secrets */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        keys: {
                            id: string;
                            /** @description team name; "@organization" stands for the organisation where budgets are meant */
                            teamId: string;
                            feature: string | null;
                            userId: string | null;
                            environment: string | null;
                            models: string[] | null;
                            endpoints: string[] | null;
                            mayAssert: string[];
                            maxAsserted: number;
                            requiresRun: boolean;
                            resubmitsBatches: boolean;
                            relanesBatches: boolean;
                            rotatedFrom: string | null;
                            /** @description ISO 8601, UTC */
                            createdAt: string;
                            createdBy: string;
                            expiresAt: string | null;
                            revokedAt: string | null;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    createKey: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description team name; "@organization" stands for the organisation where budgets are meant */
                    teamId: string;
                    feature?: string;
                    userId?: string;
                    environment?: string;
                    /** @description model aliases it may ask for; absent = all */
                    models?: string[];
                    /** @description absent = all */
                    endpoints?: ("chat.completions" | "responses" | "embeddings" | "messages" | "count_tokens")[];
                    /** @description attribution the caller may name per call */
                    mayAssert?: ("user" | "feature")[];
                    /** @description distinct asserted values per dimension; default 10000 */
                    maxAsserted?: number;
                    /** @description true: calls that name no agent run join one by their key and how their conversation begins; default false */
                    requiresRun?: boolean;
                    /** @description true: items that its batches left undone go into another batch, once; default false */
                    resubmitsBatches?: boolean;
                    /** @description true: items that its batches left undone go in real time, at whose price they are held, after the other batch where there is one; default false */
                    relanesBatches?: boolean;
                    /** @description absent = until revoked */
                    expiresInMs?: number;
                };
            };
        };
        responses: {
            /** @description Create a virtual key; the secret is in this answer only */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        id: string;
                        /** @description the secret; shown this once */
                        key: string;
                        /** @description position in the change log */
                        revision: string;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    rotateKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                keyId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description how long the old key works on; default 24 h */
                    overlapMs?: number;
                    expiresInMs?: number;
                };
            };
        };
        responses: {
            /** @description A successor with the same rights; the old key works on for the overlap */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        id: string;
                        /** @description the secret; shown this once */
                        key: string;
                        /** @description position in the change log */
                        revision: string;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    revokeKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                keyId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Refuse a key from now on, on every gateway */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        done: true;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listBudgets: {
        parameters: {
            query?: {
                teamId?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Budgets with their current windows */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        budgets: {
                            id: string;
                            /** @description team name; "@organization" stands for the organisation where budgets are meant */
                            teamId: string;
                            dimension: string;
                            dimensionValue: string;
                            unit: string;
                            windowKind: string;
                            timeZone: string;
                            weekStart: number;
                            fiscalYearStart: number;
                            /** @description without increases */
                            limitAmount: string;
                            /** @description what increases in force add to it */
                            raisedAmount: string;
                            /** @description when the first of them ends */
                            raisedUntil: string | null;
                            mode: string;
                            thresholds: {
                                /** @description notify, degrade (to another model alias), needApproval or stop */
                                action: string;
                                /** @description one of the two */
                                at: {
                                    /** @description hundredths of a percent of the limit, 1 to 10000 */
                                    basisPoints?: number;
                                    /** @description decimal string in the unit of the budget, at most the limit */
                                    amount?: string;
                                };
                                /** @description of degrade: model alias asked for → alias served instead, over the same protocol */
                                degradeTo?: {
                                    [key: string]: string;
                                };
                            }[];
                            /** @description where spend stops below the limit in the current window; null = at the limit */
                            stopAmount: string | null;
                            /** @description that line waits for the approval of a person */
                            needsApproval: boolean;
                            /** @description up to here spend was approved in the current window */
                            approvedAmount: string;
                            /** @description calls of the current window that it would have refused, were it enforced; counted up to 1000 */
                            wouldRefuse: number;
                            isFrozen: boolean;
                            /** @description spent for certain */
                            postedAmount: string;
                            /** @description of what is left, leased by gateways for calls in flight and to come */
                            pendingAmount: string;
                            /** @description limit or stop less what is spent */
                            leftAmount: string;
                            /** @description stopped until the next window, or until the budget is set again */
                            isOverrun: boolean;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            overrunAmount: string;
                            windowStartsAt: string | null;
                            resetsAt: string | null;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    setBudget: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description team (default), feature, user, model, provider, key, environment, organization */
                    dimension?: string;
                    /** @description which feature, user, model …; absent for team and organization */
                    dimensionValue?: string;
                    /** @description nano_usd (default) or tokens */
                    unit?: string;
                    /** @description hour, day, week, month, quarter or lifetime */
                    windowKind: string;
                    /** @description IANA name; default: as it is, UTC for a new budget */
                    timeZone?: string;
                    /** @description dollars with at most nine decimals, like "0.25" */
                    limitUsd?: string;
                    /** @description limit as decimal string in the unit of the budget; this or limitUsd */
                    limitAmount?: string;
                    /** @description first day of a week, 1 = Monday (default) to 7 */
                    weekStart?: number;
                    /** @description first month of the fiscal year, 1 (default) to 12; quarters begin in it and in every third month after */
                    fiscalYearStart?: number;
                    /** @description enforce (default) or observe: books everything, refuses nothing, reports what it would have refused */
                    mode?: string;
                    /** @description all lines, ascending, at most 8; default: as they are, one notice at 80 % for a new budget; the limit itself is always a stop */
                    thresholds?: {
                        /** @description notify, degrade (to another model alias), needApproval or stop */
                        action: string;
                        /** @description one of the two */
                        at: {
                            /** @description hundredths of a percent of the limit, 1 to 10000 */
                            basisPoints?: number;
                            /** @description decimal string in the unit of the budget, at most the limit */
                            amount?: string;
                        };
                        /** @description of degrade: model alias asked for → alias served instead, over the same protocol */
                        degradeTo?: {
                            [key: string]: string;
                        };
                    }[];
                    /** @description short form of one stop in the place of all stops, in dollars; null takes them away */
                    stopUsd?: string | null;
                    /** @description the same in the unit of the budget */
                    stopAmount?: string | null;
                    /** @description short form of one notice in the place of all notices, in hundredths of a percent of the limit */
                    warnBasisPoints?: number;
                    /** @description team name; "@organization" stands for the organisation where budgets are meant */
                    teamId: string;
                };
            };
        };
        responses: {
            /** @description Set one budget; answered when it is in force */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        id: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        dimension: string;
                        dimensionValue: string;
                        unit: string;
                        windowKind: string;
                        timeZone: string;
                        weekStart: number;
                        fiscalYearStart: number;
                        /** @description without increases */
                        limitAmount: string;
                        /** @description what increases in force add to it */
                        raisedAmount: string;
                        /** @description when the first of them ends */
                        raisedUntil: string | null;
                        mode: string;
                        thresholds: {
                            /** @description notify, degrade (to another model alias), needApproval or stop */
                            action: string;
                            /** @description one of the two */
                            at: {
                                /** @description hundredths of a percent of the limit, 1 to 10000 */
                                basisPoints?: number;
                                /** @description decimal string in the unit of the budget, at most the limit */
                                amount?: string;
                            };
                            /** @description of degrade: model alias asked for → alias served instead, over the same protocol */
                            degradeTo?: {
                                [key: string]: string;
                            };
                        }[];
                        /** @description where spend stops below the limit in the current window; null = at the limit */
                        stopAmount: string | null;
                        /** @description that line waits for the approval of a person */
                        needsApproval: boolean;
                        /** @description up to here spend was approved in the current window */
                        approvedAmount: string;
                        /** @description calls of the current window that it would have refused, were it enforced; counted up to 1000 */
                        wouldRefuse: number;
                        isFrozen: boolean;
                        /** @description spent for certain */
                        postedAmount: string;
                        /** @description of what is left, leased by gateways for calls in flight and to come */
                        pendingAmount: string;
                        /** @description limit or stop less what is spent */
                        leftAmount: string;
                        /** @description stopped until the next window, or until the budget is set again */
                        isOverrun: boolean;
                        /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                        overrunAmount: string;
                        windowStartsAt: string | null;
                        resetsAt: string | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    removeBudget: {
        parameters: {
            query: {
                dimension?: string;
                dimensionValue?: string;
                unit?: string;
                windowKind: string;
                teamId: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description End one budget; its books stay */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        done: true;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listIncreases: {
        parameters: {
            query?: {
                teamId?: string;
                all?: "true" | "false";
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Increases that wait for a decision or are in force, the newest first; with all, every one */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        increases: {
                            id: string;
                            /** @description team name; "@organization" stands for the organisation where budgets are meant */
                            teamId: string;
                            /** @description increase: a higher limit; line: to spend beyond a line that needs approval, which stands at askedAmount */
                            kind: string;
                            /** @description pending, approved (in force), rejected, withdrawn, expired, refused, ended */
                            status: string;
                            dimension: string;
                            dimensionValue: string;
                            unit: string;
                            windowKind: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            askedAmount: string;
                            grantedAmount: string | null;
                            /** @description null: to the end of the window in which it is approved */
                            until: string | null;
                            reason: string;
                            requestedBy: string;
                            /** @description the name was typed into the workflow's update, not proven by an admin key */
                            isRequestedByHand: boolean;
                            /** @description ISO 8601, UTC */
                            requestedAt: string;
                            /** @description ISO 8601, UTC */
                            expiresAt: string;
                            decidedBy: string | null;
                            isDecidedByHand: boolean | null;
                            decidedAt: string | null;
                            decisionReason: string | null;
                            /** @description when its date or a person ended it */
                            endedAt: string | null;
                            /** @description who ended it before its date */
                            endedBy: string | null;
                            isEndedByHand: boolean | null;
                            endReason: string | null;
                            /** @description in force before the raise */
                            limitBefore: string | null;
                            /** @description what then held */
                            limitAfter: string | null;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    requestIncrease: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description team name; "@organization" stands for the organisation where budgets are meant */
                    teamId: string;
                    /**
                     * @description increase (default): a higher limit; line: to spend beyond the next line at which the budget needs approval, with neither amount nor until
                     * @enum {string}
                     */
                    kind?: "increase" | "line";
                    /** @description team (default), feature, user, model, provider, key, environment, organization */
                    dimension?: string;
                    /** @description which feature, user, model …; absent for team and organization */
                    dimensionValue?: string;
                    /** @description nano_usd (default) or tokens */
                    unit?: string;
                    /** @description absent where one budget fits the rest */
                    windowKind?: string;
                    /** @description what is added to the limit, in dollars */
                    amountUsd?: string;
                    /** @description the same as decimal string in the unit of the budget; this or amountUsd */
                    amount?: string;
                    /** @description 2026-12-01 = to the end of that day in the budget's time zone, or an instant; absent = to the end of the window */
                    until?: string;
                    /** @description why, for whoever decides and for the audit log; at most 200 characters */
                    reason: string;
                    /** @description how long it waits for a decision; default 14 days, at most 90 */
                    expiresInMs?: number;
                };
            };
        };
        responses: {
            /** @description Ask for a temporarily higher limit, or to spend beyond a line that needs approval */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        id: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        /** @description increase: a higher limit; line: to spend beyond a line that needs approval, which stands at askedAmount */
                        kind: string;
                        /** @description pending, approved (in force), rejected, withdrawn, expired, refused, ended */
                        status: string;
                        dimension: string;
                        dimensionValue: string;
                        unit: string;
                        windowKind: string;
                        /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                        askedAmount: string;
                        grantedAmount: string | null;
                        /** @description null: to the end of the window in which it is approved */
                        until: string | null;
                        reason: string;
                        requestedBy: string;
                        /** @description the name was typed into the workflow's update, not proven by an admin key */
                        isRequestedByHand: boolean;
                        /** @description ISO 8601, UTC */
                        requestedAt: string;
                        /** @description ISO 8601, UTC */
                        expiresAt: string;
                        decidedBy: string | null;
                        isDecidedByHand: boolean | null;
                        decidedAt: string | null;
                        decisionReason: string | null;
                        /** @description when its date or a person ended it */
                        endedAt: string | null;
                        /** @description who ended it before its date */
                        endedBy: string | null;
                        isEndedByHand: boolean | null;
                        endReason: string | null;
                        /** @description in force before the raise */
                        limitBefore: string | null;
                        /** @description what then held */
                        limitAfter: string | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readIncrease: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                increaseId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One increase: who asked, why, who decided, what then held */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        id: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        /** @description increase: a higher limit; line: to spend beyond a line that needs approval, which stands at askedAmount */
                        kind: string;
                        /** @description pending, approved (in force), rejected, withdrawn, expired, refused, ended */
                        status: string;
                        dimension: string;
                        dimensionValue: string;
                        unit: string;
                        windowKind: string;
                        /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                        askedAmount: string;
                        grantedAmount: string | null;
                        /** @description null: to the end of the window in which it is approved */
                        until: string | null;
                        reason: string;
                        requestedBy: string;
                        /** @description the name was typed into the workflow's update, not proven by an admin key */
                        isRequestedByHand: boolean;
                        /** @description ISO 8601, UTC */
                        requestedAt: string;
                        /** @description ISO 8601, UTC */
                        expiresAt: string;
                        decidedBy: string | null;
                        isDecidedByHand: boolean | null;
                        decidedAt: string | null;
                        decisionReason: string | null;
                        /** @description when its date or a person ended it */
                        endedAt: string | null;
                        /** @description who ended it before its date */
                        endedBy: string | null;
                        isEndedByHand: boolean | null;
                        endReason: string | null;
                        /** @description in force before the raise */
                        limitBefore: string | null;
                        /** @description what then held */
                        limitAfter: string | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    approveIncrease: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                increaseId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description less than was asked, in dollars */
                    amountUsd?: string;
                    /** @description the same in the unit of the budget */
                    amount?: string;
                    /** @description why, for whoever decides and for the audit log; at most 200 characters */
                    reason?: string;
                };
            };
        };
        responses: {
            /** @description Raise the limit as asked, or by less; answered when it is in force */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        id: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        /** @description increase: a higher limit; line: to spend beyond a line that needs approval, which stands at askedAmount */
                        kind: string;
                        /** @description pending, approved (in force), rejected, withdrawn, expired, refused, ended */
                        status: string;
                        dimension: string;
                        dimensionValue: string;
                        unit: string;
                        windowKind: string;
                        /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                        askedAmount: string;
                        grantedAmount: string | null;
                        /** @description null: to the end of the window in which it is approved */
                        until: string | null;
                        reason: string;
                        requestedBy: string;
                        /** @description the name was typed into the workflow's update, not proven by an admin key */
                        isRequestedByHand: boolean;
                        /** @description ISO 8601, UTC */
                        requestedAt: string;
                        /** @description ISO 8601, UTC */
                        expiresAt: string;
                        decidedBy: string | null;
                        isDecidedByHand: boolean | null;
                        decidedAt: string | null;
                        decisionReason: string | null;
                        /** @description when its date or a person ended it */
                        endedAt: string | null;
                        /** @description who ended it before its date */
                        endedBy: string | null;
                        isEndedByHand: boolean | null;
                        endReason: string | null;
                        /** @description in force before the raise */
                        limitBefore: string | null;
                        /** @description what then held */
                        limitAfter: string | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    rejectIncrease: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                increaseId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description why, for whoever decides and for the audit log; at most 200 characters */
                    reason: string;
                };
            };
        };
        responses: {
            /** @description Refuse an increase, with a reason */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        id: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        /** @description increase: a higher limit; line: to spend beyond a line that needs approval, which stands at askedAmount */
                        kind: string;
                        /** @description pending, approved (in force), rejected, withdrawn, expired, refused, ended */
                        status: string;
                        dimension: string;
                        dimensionValue: string;
                        unit: string;
                        windowKind: string;
                        /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                        askedAmount: string;
                        grantedAmount: string | null;
                        /** @description null: to the end of the window in which it is approved */
                        until: string | null;
                        reason: string;
                        requestedBy: string;
                        /** @description the name was typed into the workflow's update, not proven by an admin key */
                        isRequestedByHand: boolean;
                        /** @description ISO 8601, UTC */
                        requestedAt: string;
                        /** @description ISO 8601, UTC */
                        expiresAt: string;
                        decidedBy: string | null;
                        isDecidedByHand: boolean | null;
                        decidedAt: string | null;
                        decisionReason: string | null;
                        /** @description when its date or a person ended it */
                        endedAt: string | null;
                        /** @description who ended it before its date */
                        endedBy: string | null;
                        isEndedByHand: boolean | null;
                        endReason: string | null;
                        /** @description in force before the raise */
                        limitBefore: string | null;
                        /** @description what then held */
                        limitAfter: string | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    withdrawIncrease: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                increaseId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Take back what one asked for */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        id: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        /** @description increase: a higher limit; line: to spend beyond a line that needs approval, which stands at askedAmount */
                        kind: string;
                        /** @description pending, approved (in force), rejected, withdrawn, expired, refused, ended */
                        status: string;
                        dimension: string;
                        dimensionValue: string;
                        unit: string;
                        windowKind: string;
                        /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                        askedAmount: string;
                        grantedAmount: string | null;
                        /** @description null: to the end of the window in which it is approved */
                        until: string | null;
                        reason: string;
                        requestedBy: string;
                        /** @description the name was typed into the workflow's update, not proven by an admin key */
                        isRequestedByHand: boolean;
                        /** @description ISO 8601, UTC */
                        requestedAt: string;
                        /** @description ISO 8601, UTC */
                        expiresAt: string;
                        decidedBy: string | null;
                        isDecidedByHand: boolean | null;
                        decidedAt: string | null;
                        decisionReason: string | null;
                        /** @description when its date or a person ended it */
                        endedAt: string | null;
                        /** @description who ended it before its date */
                        endedBy: string | null;
                        isEndedByHand: boolean | null;
                        endReason: string | null;
                        /** @description in force before the raise */
                        limitBefore: string | null;
                        /** @description what then held */
                        limitAfter: string | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    endIncrease: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                increaseId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description why, for whoever decides and for the audit log; at most 200 characters */
                    reason?: string;
                };
            };
        };
        responses: {
            /** @description End a raise in force before its date; answered when the lower limit is in force */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        id: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        /** @description increase: a higher limit; line: to spend beyond a line that needs approval, which stands at askedAmount */
                        kind: string;
                        /** @description pending, approved (in force), rejected, withdrawn, expired, refused, ended */
                        status: string;
                        dimension: string;
                        dimensionValue: string;
                        unit: string;
                        windowKind: string;
                        /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                        askedAmount: string;
                        grantedAmount: string | null;
                        /** @description null: to the end of the window in which it is approved */
                        until: string | null;
                        reason: string;
                        requestedBy: string;
                        /** @description the name was typed into the workflow's update, not proven by an admin key */
                        isRequestedByHand: boolean;
                        /** @description ISO 8601, UTC */
                        requestedAt: string;
                        /** @description ISO 8601, UTC */
                        expiresAt: string;
                        decidedBy: string | null;
                        isDecidedByHand: boolean | null;
                        decidedAt: string | null;
                        decisionReason: string | null;
                        /** @description when its date or a person ended it */
                        endedAt: string | null;
                        /** @description who ended it before its date */
                        endedBy: string | null;
                        isEndedByHand: boolean | null;
                        endReason: string | null;
                        /** @description in force before the raise */
                        limitBefore: string | null;
                        /** @description what then held */
                        limitAfter: string | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listRuns: {
        parameters: {
            query?: {
                teamId?: string;
                state?: "running" | "paused" | "stopped" | "finished";
                limit?: number;
                before?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Agent runs, the newest first, page by page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        runs: {
                            /** @description what `before` takes */
                            number: string;
                            runId: string;
                            /** @description team name; "@organization" stands for the organisation where budgets are meant */
                            teamId: string;
                            /** @enum {string} */
                            state: "running" | "paused" | "stopped" | "finished";
                            /** @enum {string} */
                            origin: "header" | "implicit" | "registered";
                            /** @description why it stands still */
                            hold: {
                                /** @enum {string} */
                                state: "paused" | "stopped";
                                /** @description loop.*, ceiling.*, person or parent */
                                guard: string;
                                tool?: string;
                                /** @description what was seen, in one sentence */
                                evidence: string;
                                measured: string;
                                threshold: string;
                                /** @description the run whose ceiling it is */
                                ofRunId: string;
                                pauseId: string | null;
                                /** @description milliseconds until asking again may help; null = nobody can say */
                                askAgainMs: number | null;
                                by: string;
                            } | null;
                            version: string;
                            /** @description of the run and of all below it */
                            costNanoUsd: string;
                            steps: number;
                            /** @description ISO 8601, UTC */
                            openedAt: string;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readRun: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One run: why it stands, what it took of its ceilings, its last steps, and what happened to it */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        runId: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        keyId: string;
                        /** @enum {string} */
                        origin: "header" | "implicit" | "registered";
                        /** @enum {string} */
                        state: "running" | "paused" | "stopped" | "finished";
                        hold: {
                            /** @enum {string} */
                            state: "paused" | "stopped";
                            /** @description loop.*, ceiling.*, person or parent */
                            guard: string;
                            tool?: string;
                            /** @description what was seen, in one sentence */
                            evidence: string;
                            measured: string;
                            threshold: string;
                            /** @description the run whose ceiling it is */
                            ofRunId: string;
                            pauseId: string | null;
                            /** @description milliseconds until asking again may help; null = nobody can say */
                            askAgainMs: number | null;
                            by: string;
                        } | null;
                        heldAt: string | null;
                        /** @description when a pause that nobody answers becomes a stop */
                        endsAt: string | null;
                        /** @description grows with every change */
                        version: string;
                        rootRunId: string;
                        parentRunId: string | null;
                        /** @description in Temporal; null: there is none, or none yet */
                        workflow: {
                            id: string;
                            /** @description in Temporal's web UI; null: nobody said where that is (TEMPORAL_UI_URL) */
                            uiUrl: string | null;
                        } | null;
                        children: number;
                        /** @description times that its loops were forgiven */
                        forgiven: number;
                        /** @description ISO 8601, UTC */
                        openedAt: string;
                        pausedMs: number;
                        /** @description what it states itself */
                        limits: {
                            [key: string]: unknown;
                        };
                        /** @description of the run and of all below it */
                        totals: {
                            costNanoUsd: string;
                            inputTokens: number;
                            outputTokens: number;
                            steps: number;
                            outputBytes: number;
                            toolCalls: {
                                [key: string]: number;
                            };
                        };
                        /** @description the run's own first */
                        ceilings: {
                            /** @description the run itself, or one above it */
                            ofRunId: string;
                            kind: string;
                            tool?: string;
                            /** @description decimal string in the unit of the kind */
                            at: string;
                            taken: string;
                            /**
                             * @description warns or degrades there, and does not hold
                             * @constant
                             */
                            isSoft?: true;
                        }[];
                        /** @description the last 20 of the run itself, oldest first */
                        steps: {
                            /** @description ISO 8601, UTC */
                            at: string;
                            requestId: string;
                            model: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            costNanoUsd: string;
                            tokens: number;
                            outcome: string;
                        }[];
                        /** @description the last 20, oldest first */
                        events: {
                            /** @description ISO 8601, UTC */
                            at: string;
                            kind: string;
                            detail: {
                                [key: string]: unknown;
                            };
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    resumeRun: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description why, for the run's history; at most 200 characters */
                    reason: string;
                    /** @description the run's version that was looked at: refused where it is another one by now; absent = whatever stands */
                    knownVersion?: string;
                };
            };
        };
        responses: {
            /** @description Let a held run go on, and forgive what repeated so far */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        runId: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        keyId: string;
                        /** @enum {string} */
                        origin: "header" | "implicit" | "registered";
                        /** @enum {string} */
                        state: "running" | "paused" | "stopped" | "finished";
                        hold: {
                            /** @enum {string} */
                            state: "paused" | "stopped";
                            /** @description loop.*, ceiling.*, person or parent */
                            guard: string;
                            tool?: string;
                            /** @description what was seen, in one sentence */
                            evidence: string;
                            measured: string;
                            threshold: string;
                            /** @description the run whose ceiling it is */
                            ofRunId: string;
                            pauseId: string | null;
                            /** @description milliseconds until asking again may help; null = nobody can say */
                            askAgainMs: number | null;
                            by: string;
                        } | null;
                        heldAt: string | null;
                        /** @description when a pause that nobody answers becomes a stop */
                        endsAt: string | null;
                        /** @description grows with every change */
                        version: string;
                        rootRunId: string;
                        parentRunId: string | null;
                        /** @description in Temporal; null: there is none, or none yet */
                        workflow: {
                            id: string;
                            /** @description in Temporal's web UI; null: nobody said where that is (TEMPORAL_UI_URL) */
                            uiUrl: string | null;
                        } | null;
                        children: number;
                        /** @description times that its loops were forgiven */
                        forgiven: number;
                        /** @description ISO 8601, UTC */
                        openedAt: string;
                        pausedMs: number;
                        /** @description what it states itself */
                        limits: {
                            [key: string]: unknown;
                        };
                        /** @description of the run and of all below it */
                        totals: {
                            costNanoUsd: string;
                            inputTokens: number;
                            outputTokens: number;
                            steps: number;
                            outputBytes: number;
                            toolCalls: {
                                [key: string]: number;
                            };
                        };
                        /** @description the run's own first */
                        ceilings: {
                            /** @description the run itself, or one above it */
                            ofRunId: string;
                            kind: string;
                            tool?: string;
                            /** @description decimal string in the unit of the kind */
                            at: string;
                            taken: string;
                            /**
                             * @description warns or degrades there, and does not hold
                             * @constant
                             */
                            isSoft?: true;
                        }[];
                        /** @description the last 20 of the run itself, oldest first */
                        steps: {
                            /** @description ISO 8601, UTC */
                            at: string;
                            requestId: string;
                            model: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            costNanoUsd: string;
                            tokens: number;
                            outcome: string;
                        }[];
                        /** @description the last 20, oldest first */
                        events: {
                            /** @description ISO 8601, UTC */
                            at: string;
                            kind: string;
                            detail: {
                                [key: string]: unknown;
                            };
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    approveRun: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description new totals of ceilings the run states, like {costNanoUsd: "10000000000", steps: 500}; every ceiling: docs/agent-runs.md */
                    limits: {
                        [key: string]: unknown;
                    };
                    /** @description why, for the run's history; at most 200 characters */
                    reason: string;
                    /** @description the run's version that was looked at: refused where it is another one by now; absent = whatever stands */
                    knownVersion?: string;
                };
            };
        };
        responses: {
            /** @description Raise ceilings of a run and let it go on */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        runId: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        keyId: string;
                        /** @enum {string} */
                        origin: "header" | "implicit" | "registered";
                        /** @enum {string} */
                        state: "running" | "paused" | "stopped" | "finished";
                        hold: {
                            /** @enum {string} */
                            state: "paused" | "stopped";
                            /** @description loop.*, ceiling.*, person or parent */
                            guard: string;
                            tool?: string;
                            /** @description what was seen, in one sentence */
                            evidence: string;
                            measured: string;
                            threshold: string;
                            /** @description the run whose ceiling it is */
                            ofRunId: string;
                            pauseId: string | null;
                            /** @description milliseconds until asking again may help; null = nobody can say */
                            askAgainMs: number | null;
                            by: string;
                        } | null;
                        heldAt: string | null;
                        /** @description when a pause that nobody answers becomes a stop */
                        endsAt: string | null;
                        /** @description grows with every change */
                        version: string;
                        rootRunId: string;
                        parentRunId: string | null;
                        /** @description in Temporal; null: there is none, or none yet */
                        workflow: {
                            id: string;
                            /** @description in Temporal's web UI; null: nobody said where that is (TEMPORAL_UI_URL) */
                            uiUrl: string | null;
                        } | null;
                        children: number;
                        /** @description times that its loops were forgiven */
                        forgiven: number;
                        /** @description ISO 8601, UTC */
                        openedAt: string;
                        pausedMs: number;
                        /** @description what it states itself */
                        limits: {
                            [key: string]: unknown;
                        };
                        /** @description of the run and of all below it */
                        totals: {
                            costNanoUsd: string;
                            inputTokens: number;
                            outputTokens: number;
                            steps: number;
                            outputBytes: number;
                            toolCalls: {
                                [key: string]: number;
                            };
                        };
                        /** @description the run's own first */
                        ceilings: {
                            /** @description the run itself, or one above it */
                            ofRunId: string;
                            kind: string;
                            tool?: string;
                            /** @description decimal string in the unit of the kind */
                            at: string;
                            taken: string;
                            /**
                             * @description warns or degrades there, and does not hold
                             * @constant
                             */
                            isSoft?: true;
                        }[];
                        /** @description the last 20 of the run itself, oldest first */
                        steps: {
                            /** @description ISO 8601, UTC */
                            at: string;
                            requestId: string;
                            model: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            costNanoUsd: string;
                            tokens: number;
                            outcome: string;
                        }[];
                        /** @description the last 20, oldest first */
                        events: {
                            /** @description ISO 8601, UTC */
                            at: string;
                            kind: string;
                            detail: {
                                [key: string]: unknown;
                            };
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    raiseRun: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description new totals of ceilings the run states, like {costNanoUsd: "10000000000", steps: 500}; every ceiling: docs/agent-runs.md */
                    limits: {
                        [key: string]: unknown;
                    };
                    /** @description why, for the run's history; at most 200 characters */
                    reason: string;
                    /** @description the run's version that was looked at: refused where it is another one by now; absent = whatever stands */
                    knownVersion?: string;
                };
            };
        };
        responses: {
            /** @description Raise ceilings of a run; those that its ceilings held go on */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        runId: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        keyId: string;
                        /** @enum {string} */
                        origin: "header" | "implicit" | "registered";
                        /** @enum {string} */
                        state: "running" | "paused" | "stopped" | "finished";
                        hold: {
                            /** @enum {string} */
                            state: "paused" | "stopped";
                            /** @description loop.*, ceiling.*, person or parent */
                            guard: string;
                            tool?: string;
                            /** @description what was seen, in one sentence */
                            evidence: string;
                            measured: string;
                            threshold: string;
                            /** @description the run whose ceiling it is */
                            ofRunId: string;
                            pauseId: string | null;
                            /** @description milliseconds until asking again may help; null = nobody can say */
                            askAgainMs: number | null;
                            by: string;
                        } | null;
                        heldAt: string | null;
                        /** @description when a pause that nobody answers becomes a stop */
                        endsAt: string | null;
                        /** @description grows with every change */
                        version: string;
                        rootRunId: string;
                        parentRunId: string | null;
                        /** @description in Temporal; null: there is none, or none yet */
                        workflow: {
                            id: string;
                            /** @description in Temporal's web UI; null: nobody said where that is (TEMPORAL_UI_URL) */
                            uiUrl: string | null;
                        } | null;
                        children: number;
                        /** @description times that its loops were forgiven */
                        forgiven: number;
                        /** @description ISO 8601, UTC */
                        openedAt: string;
                        pausedMs: number;
                        /** @description what it states itself */
                        limits: {
                            [key: string]: unknown;
                        };
                        /** @description of the run and of all below it */
                        totals: {
                            costNanoUsd: string;
                            inputTokens: number;
                            outputTokens: number;
                            steps: number;
                            outputBytes: number;
                            toolCalls: {
                                [key: string]: number;
                            };
                        };
                        /** @description the run's own first */
                        ceilings: {
                            /** @description the run itself, or one above it */
                            ofRunId: string;
                            kind: string;
                            tool?: string;
                            /** @description decimal string in the unit of the kind */
                            at: string;
                            taken: string;
                            /**
                             * @description warns or degrades there, and does not hold
                             * @constant
                             */
                            isSoft?: true;
                        }[];
                        /** @description the last 20 of the run itself, oldest first */
                        steps: {
                            /** @description ISO 8601, UTC */
                            at: string;
                            requestId: string;
                            model: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            costNanoUsd: string;
                            tokens: number;
                            outcome: string;
                        }[];
                        /** @description the last 20, oldest first */
                        events: {
                            /** @description ISO 8601, UTC */
                            at: string;
                            kind: string;
                            detail: {
                                [key: string]: unknown;
                            };
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    stopRun: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description why, for the run's history; at most 200 characters */
                    reason: string;
                    /** @description the run's version that was looked at: refused where it is another one by now; absent = whatever stands */
                    knownVersion?: string;
                };
            };
        };
        responses: {
            /** @description Refuse every further step of a run and of those below it */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        runId: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        keyId: string;
                        /** @enum {string} */
                        origin: "header" | "implicit" | "registered";
                        /** @enum {string} */
                        state: "running" | "paused" | "stopped" | "finished";
                        hold: {
                            /** @enum {string} */
                            state: "paused" | "stopped";
                            /** @description loop.*, ceiling.*, person or parent */
                            guard: string;
                            tool?: string;
                            /** @description what was seen, in one sentence */
                            evidence: string;
                            measured: string;
                            threshold: string;
                            /** @description the run whose ceiling it is */
                            ofRunId: string;
                            pauseId: string | null;
                            /** @description milliseconds until asking again may help; null = nobody can say */
                            askAgainMs: number | null;
                            by: string;
                        } | null;
                        heldAt: string | null;
                        /** @description when a pause that nobody answers becomes a stop */
                        endsAt: string | null;
                        /** @description grows with every change */
                        version: string;
                        rootRunId: string;
                        parentRunId: string | null;
                        /** @description in Temporal; null: there is none, or none yet */
                        workflow: {
                            id: string;
                            /** @description in Temporal's web UI; null: nobody said where that is (TEMPORAL_UI_URL) */
                            uiUrl: string | null;
                        } | null;
                        children: number;
                        /** @description times that its loops were forgiven */
                        forgiven: number;
                        /** @description ISO 8601, UTC */
                        openedAt: string;
                        pausedMs: number;
                        /** @description what it states itself */
                        limits: {
                            [key: string]: unknown;
                        };
                        /** @description of the run and of all below it */
                        totals: {
                            costNanoUsd: string;
                            inputTokens: number;
                            outputTokens: number;
                            steps: number;
                            outputBytes: number;
                            toolCalls: {
                                [key: string]: number;
                            };
                        };
                        /** @description the run's own first */
                        ceilings: {
                            /** @description the run itself, or one above it */
                            ofRunId: string;
                            kind: string;
                            tool?: string;
                            /** @description decimal string in the unit of the kind */
                            at: string;
                            taken: string;
                            /**
                             * @description warns or degrades there, and does not hold
                             * @constant
                             */
                            isSoft?: true;
                        }[];
                        /** @description the last 20 of the run itself, oldest first */
                        steps: {
                            /** @description ISO 8601, UTC */
                            at: string;
                            requestId: string;
                            model: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            costNanoUsd: string;
                            tokens: number;
                            outcome: string;
                        }[];
                        /** @description the last 20, oldest first */
                        events: {
                            /** @description ISO 8601, UTC */
                            at: string;
                            kind: string;
                            detail: {
                                [key: string]: unknown;
                            };
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    finishRun: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                runId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description why, for the run's history; at most 200 characters */
                    reason: string;
                    /** @description the run's version that was looked at: refused where it is another one by now; absent = whatever stands */
                    knownVersion?: string;
                };
            };
        };
        responses: {
            /** @description End a run and those below it for good; its id is never used again */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        runId: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        keyId: string;
                        /** @enum {string} */
                        origin: "header" | "implicit" | "registered";
                        /** @enum {string} */
                        state: "running" | "paused" | "stopped" | "finished";
                        hold: {
                            /** @enum {string} */
                            state: "paused" | "stopped";
                            /** @description loop.*, ceiling.*, person or parent */
                            guard: string;
                            tool?: string;
                            /** @description what was seen, in one sentence */
                            evidence: string;
                            measured: string;
                            threshold: string;
                            /** @description the run whose ceiling it is */
                            ofRunId: string;
                            pauseId: string | null;
                            /** @description milliseconds until asking again may help; null = nobody can say */
                            askAgainMs: number | null;
                            by: string;
                        } | null;
                        heldAt: string | null;
                        /** @description when a pause that nobody answers becomes a stop */
                        endsAt: string | null;
                        /** @description grows with every change */
                        version: string;
                        rootRunId: string;
                        parentRunId: string | null;
                        /** @description in Temporal; null: there is none, or none yet */
                        workflow: {
                            id: string;
                            /** @description in Temporal's web UI; null: nobody said where that is (TEMPORAL_UI_URL) */
                            uiUrl: string | null;
                        } | null;
                        children: number;
                        /** @description times that its loops were forgiven */
                        forgiven: number;
                        /** @description ISO 8601, UTC */
                        openedAt: string;
                        pausedMs: number;
                        /** @description what it states itself */
                        limits: {
                            [key: string]: unknown;
                        };
                        /** @description of the run and of all below it */
                        totals: {
                            costNanoUsd: string;
                            inputTokens: number;
                            outputTokens: number;
                            steps: number;
                            outputBytes: number;
                            toolCalls: {
                                [key: string]: number;
                            };
                        };
                        /** @description the run's own first */
                        ceilings: {
                            /** @description the run itself, or one above it */
                            ofRunId: string;
                            kind: string;
                            tool?: string;
                            /** @description decimal string in the unit of the kind */
                            at: string;
                            taken: string;
                            /**
                             * @description warns or degrades there, and does not hold
                             * @constant
                             */
                            isSoft?: true;
                        }[];
                        /** @description the last 20 of the run itself, oldest first */
                        steps: {
                            /** @description ISO 8601, UTC */
                            at: string;
                            requestId: string;
                            model: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            costNanoUsd: string;
                            tokens: number;
                            outcome: string;
                        }[];
                        /** @description the last 20, oldest first */
                        events: {
                            /** @description ISO 8601, UTC */
                            at: string;
                            kind: string;
                            detail: {
                                [key: string]: unknown;
                            };
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listBatches: {
        parameters: {
            query?: {
                teamId?: string;
                state?: "collecting" | "held" | "running" | "cancelling" | "finalizing" | "completed" | "expired" | "cancelled" | "failed";
                limit?: number;
                after?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Batches, the newest first, page by page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        batches: {
                            batchId: string;
                            /** @description team name; "@organization" stands for the organisation where budgets are meant */
                            teamId: string;
                            /** @enum {string} */
                            state: "collecting" | "held" | "running" | "cancelling" | "finalizing" | "completed" | "expired" | "cancelled" | "failed";
                            protocol: string;
                            endpoint: string;
                            model: string;
                            provider: string;
                            items: number;
                            /** @description items by how they ended; open: not yet */
                            counts: {
                                open: number;
                                succeeded: number;
                                errored: number;
                                expired: number;
                                cancelled: number;
                            };
                            /** @description reserved for items that have not ended */
                            heldNanoUsd: string;
                            /** @description booked for items that have */
                            settledNanoUsd: string;
                            problem: string | null;
                            /** @description ISO 8601, UTC */
                            createdAt: string;
                            endedAt: string | null;
                            cancelAskedAt: string | null;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readBatchSavings: {
        parameters: {
            query?: {
                teamId?: string;
                days?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What batches cost, those of files and those of items handed in alone, and what the same would have cost in real time, by team */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description ISO 8601, UTC */
                        since: string;
                        /** @description ISO 8601, UTC */
                        until: string;
                        readonly teams: {
                            /** @description team name; "@organization" stands for the organisation where budgets are meant */
                            teamId: string;
                            /**
                             * @description caller: batches of files; collected: of items handed in alone
                             * @enum {string}
                             */
                            origin: "caller" | "collected";
                            /** @description that were billed */
                            items: number;
                            /** @description with all of their tries, as the ledger booked them */
                            costNanoUsd: string;
                            /** @description what the same usage costs in real time */
                            realTimeNanoUsd: string;
                            /** @description the difference; below zero where tries beside others cost more than was saved */
                            savedNanoUsd: string;
                            /** @description of those handed in alone: answered after their deadline */
                            lateItems: number;
                        }[];
                        total: {
                            /** @description that were billed */
                            items: number;
                            /** @description with all of their tries, as the ledger booked them */
                            costNanoUsd: string;
                            /** @description what the same usage costs in real time */
                            realTimeNanoUsd: string;
                            /** @description the difference; below zero where tries beside others cost more than was saved */
                            savedNanoUsd: string;
                            /** @description of those handed in alone: answered after their deadline */
                            lateItems: number;
                        };
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readBatch: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                batchId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One batch: how far it is, what it holds and has cost, its parts at the provider, and what holds it up */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        batchId: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        /** @enum {string} */
                        state: "collecting" | "held" | "running" | "cancelling" | "finalizing" | "completed" | "expired" | "cancelled" | "failed";
                        protocol: string;
                        endpoint: string;
                        model: string;
                        provider: string;
                        items: number;
                        /** @description items by how they ended; open: not yet */
                        counts: {
                            open: number;
                            succeeded: number;
                            errored: number;
                            expired: number;
                            cancelled: number;
                        };
                        /** @description reserved for items that have not ended */
                        heldNanoUsd: string;
                        /** @description booked for items that have */
                        settledNanoUsd: string;
                        problem: string | null;
                        /** @description ISO 8601, UTC */
                        createdAt: string;
                        endedAt: string | null;
                        cancelAskedAt: string | null;
                        deployment: string;
                        origin: string;
                        /** @description null = of items that were handed in alone, each with a key of its own */
                        keyId: string | null;
                        /** @description whether items that did not run go into another batch */
                        mayResubmit: boolean;
                        /** @description whether items that no batch may carry any more go in real time */
                        mayRelane: boolean;
                        inputFileId: string | null;
                        outputFileId: string | null;
                        errorFileId: string | null;
                        runningSince: string | null;
                        /** @description in Temporal; null: there is none, or none yet */
                        workflow: {
                            id: string;
                            /** @description in Temporal's web UI; null: nobody said where that is (TEMPORAL_UI_URL) */
                            uiUrl: string | null;
                        } | null;
                        /** @description when its results are wanted; null = whenever the provider is done */
                        deadline: string | null;
                        /** @description batches of the provider, in order */
                        parts: {
                            part: number;
                            /** @enum {string} */
                            state: "written" | "submitting" | "running" | "ended" | "collected" | "failed";
                            items: number;
                            bytes: number;
                            providerBatchId: string | null;
                            submittedAt: string | null;
                            endedAt: string | null;
                            /** @description items the provider has finished, as it said last; null = it does not say */
                            doneAtProvider: number | null;
                            /** @description when the provider gives it up */
                            expiresAt: string | null;
                        }[];
                        /** @description what its workflow says; null = it has ended, or Temporal does not answer */
                        progress: {
                            next: string;
                            nextAt: string | null;
                            retries: number;
                            /** @description items charged at their bounds, because nobody knows what they cost */
                            unresolved: number;
                            /** @description results that name no item of it */
                            unknownLines: number;
                            /** @description what holds it up */
                            trouble: {
                                /** @description ISO 8601, UTC */
                                since: string;
                                step: string;
                                message: string;
                            } | null;
                        } | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    cancelBatch: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                batchId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description End a batch: what the provider has finished is paid, the rest is given back */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        batchId: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        /** @enum {string} */
                        state: "collecting" | "held" | "running" | "cancelling" | "finalizing" | "completed" | "expired" | "cancelled" | "failed";
                        protocol: string;
                        endpoint: string;
                        model: string;
                        provider: string;
                        items: number;
                        /** @description items by how they ended; open: not yet */
                        counts: {
                            open: number;
                            succeeded: number;
                            errored: number;
                            expired: number;
                            cancelled: number;
                        };
                        /** @description reserved for items that have not ended */
                        heldNanoUsd: string;
                        /** @description booked for items that have */
                        settledNanoUsd: string;
                        problem: string | null;
                        /** @description ISO 8601, UTC */
                        createdAt: string;
                        endedAt: string | null;
                        cancelAskedAt: string | null;
                        deployment: string;
                        origin: string;
                        /** @description null = of items that were handed in alone, each with a key of its own */
                        keyId: string | null;
                        /** @description whether items that did not run go into another batch */
                        mayResubmit: boolean;
                        /** @description whether items that no batch may carry any more go in real time */
                        mayRelane: boolean;
                        inputFileId: string | null;
                        outputFileId: string | null;
                        errorFileId: string | null;
                        runningSince: string | null;
                        /** @description in Temporal; null: there is none, or none yet */
                        workflow: {
                            id: string;
                            /** @description in Temporal's web UI; null: nobody said where that is (TEMPORAL_UI_URL) */
                            uiUrl: string | null;
                        } | null;
                        /** @description when its results are wanted; null = whenever the provider is done */
                        deadline: string | null;
                        /** @description batches of the provider, in order */
                        parts: {
                            part: number;
                            /** @enum {string} */
                            state: "written" | "submitting" | "running" | "ended" | "collected" | "failed";
                            items: number;
                            bytes: number;
                            providerBatchId: string | null;
                            submittedAt: string | null;
                            endedAt: string | null;
                            /** @description items the provider has finished, as it said last; null = it does not say */
                            doneAtProvider: number | null;
                            /** @description when the provider gives it up */
                            expiresAt: string | null;
                        }[];
                        /** @description what its workflow says; null = it has ended, or Temporal does not answer */
                        progress: {
                            next: string;
                            nextAt: string | null;
                            retries: number;
                            /** @description items charged at their bounds, because nobody knows what they cost */
                            unresolved: number;
                            /** @description results that name no item of it */
                            unknownLines: number;
                            /** @description what holds it up */
                            trouble: {
                                /** @description ISO 8601, UTC */
                                since: string;
                                step: string;
                                message: string;
                            } | null;
                        } | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    retryBatch: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                batchId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Try at once what a batch waits for, and begin its workflow where there is none */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        batchId: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        /** @enum {string} */
                        state: "collecting" | "held" | "running" | "cancelling" | "finalizing" | "completed" | "expired" | "cancelled" | "failed";
                        protocol: string;
                        endpoint: string;
                        model: string;
                        provider: string;
                        items: number;
                        /** @description items by how they ended; open: not yet */
                        counts: {
                            open: number;
                            succeeded: number;
                            errored: number;
                            expired: number;
                            cancelled: number;
                        };
                        /** @description reserved for items that have not ended */
                        heldNanoUsd: string;
                        /** @description booked for items that have */
                        settledNanoUsd: string;
                        problem: string | null;
                        /** @description ISO 8601, UTC */
                        createdAt: string;
                        endedAt: string | null;
                        cancelAskedAt: string | null;
                        deployment: string;
                        origin: string;
                        /** @description null = of items that were handed in alone, each with a key of its own */
                        keyId: string | null;
                        /** @description whether items that did not run go into another batch */
                        mayResubmit: boolean;
                        /** @description whether items that no batch may carry any more go in real time */
                        mayRelane: boolean;
                        inputFileId: string | null;
                        outputFileId: string | null;
                        errorFileId: string | null;
                        runningSince: string | null;
                        /** @description in Temporal; null: there is none, or none yet */
                        workflow: {
                            id: string;
                            /** @description in Temporal's web UI; null: nobody said where that is (TEMPORAL_UI_URL) */
                            uiUrl: string | null;
                        } | null;
                        /** @description when its results are wanted; null = whenever the provider is done */
                        deadline: string | null;
                        /** @description batches of the provider, in order */
                        parts: {
                            part: number;
                            /** @enum {string} */
                            state: "written" | "submitting" | "running" | "ended" | "collected" | "failed";
                            items: number;
                            bytes: number;
                            providerBatchId: string | null;
                            submittedAt: string | null;
                            endedAt: string | null;
                            /** @description items the provider has finished, as it said last; null = it does not say */
                            doneAtProvider: number | null;
                            /** @description when the provider gives it up */
                            expiresAt: string | null;
                        }[];
                        /** @description what its workflow says; null = it has ended, or Temporal does not answer */
                        progress: {
                            next: string;
                            nextAt: string | null;
                            retries: number;
                            /** @description items charged at their bounds, because nobody knows what they cost */
                            unresolved: number;
                            /** @description results that name no item of it */
                            unknownLines: number;
                            /** @description what holds it up */
                            trouble: {
                                /** @description ISO 8601, UTC */
                                since: string;
                                step: string;
                                message: string;
                            } | null;
                        } | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listDeferred: {
        parameters: {
            query: {
                teamId: string;
                status?: "collecting" | "waiting" | "running" | "succeeded" | "failed" | "expired" | "cancelled";
                limit?: number;
                after?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Items of a team that were handed in alone, the newest first, page by page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        items: {
                            deferredId: string;
                            /** @description team name; "@organization" stands for the organisation where budgets are meant */
                            teamId: string;
                            keyId: string;
                            /** @description the batch that collects it, or carried it */
                            batchId: string;
                            /** @enum {string} */
                            status: "collecting" | "waiting" | "running" | "succeeded" | "failed" | "expired" | "cancelled";
                            /** @description of the try that answered, else of the one that carries it */
                            lane: ("batch" | "real_time") | null;
                            endpoint: string;
                            model: string;
                            /** @description answered, or still open, after its deadline */
                            isLate: boolean;
                            /** @description reserved until it has ended */
                            heldNanoUsd: string;
                            /** @description of all its tries; null = nothing was billed */
                            costNanoUsd: string | null;
                            /** @description of its answer */
                            httpStatus: number | null;
                            /** @description ISO 8601, UTC */
                            acceptedAt: string;
                            deadline: string | null;
                            answeredAt: string | null;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    reportDeferred: {
        parameters: {
            query?: {
                teamId?: string;
                days?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What items handed in alone cost, what they would have cost in real time, and what came late, by team and lane */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description ISO 8601, UTC */
                        since: string;
                        /** @description ISO 8601, UTC */
                        until: string;
                        lanes: {
                            /** @description team name; "@organization" stands for the organisation where budgets are meant */
                            teamId: string;
                            /** @enum {string} */
                            lane: "batch" | "real_time";
                            /** @description that were answered */
                            items: number;
                            /** @description with all of their tries */
                            costNanoUsd: string;
                            /** @description what the same usage costs in real time */
                            realTimeNanoUsd: string;
                            /** @description the difference; below zero where second tries cost more than was saved */
                            savedNanoUsd: string;
                            /** @description answered after their deadline */
                            lateItems: number;
                            /** @description by how much the latest was late; 0 = none was */
                            lateMsMax: number;
                        }[];
                        total: {
                            /** @description that were answered */
                            items: number;
                            /** @description with all of their tries */
                            costNanoUsd: string;
                            /** @description what the same usage costs in real time */
                            realTimeNanoUsd: string;
                            /** @description the difference; below zero where second tries cost more than was saved */
                            savedNanoUsd: string;
                            /** @description answered after their deadline */
                            lateItems: number;
                            /** @description by how much the latest was late; 0 = none was */
                            lateMsMax: number;
                        };
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listDeferredWebhooks: {
        parameters: {
            query?: {
                state?: "waiting" | "delivered" | "dead";
                teamId?: string;
                channel?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Webhooks of ended items, the newest end first; those that were given up where nothing else is asked for */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        webhooks: {
                            deferredId: string;
                            /** @description team name; "@organization" stands for the organisation where budgets are meant */
                            teamId: string;
                            channel: string;
                            /** @enum {string} */
                            state: "waiting" | "delivered" | "dead";
                            attempts: number;
                            nextAttemptAt: string | null;
                            lastError: string | null;
                            /** @description what the receiver said when it took it */
                            answer: string | null;
                            endedAt: string | null;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    retryDeferredWebhooks: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description of one item alone */
                    deferredId?: string;
                    /** @description of one channel alone */
                    channel?: string;
                };
            };
        };
        responses: {
            /** @description Send again what was given up, of one item, of a channel, or of all */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description webhooks that wait again */
                        waiting: number;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readDeferred: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                deferredId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One item that was handed in alone: its lane, its batch, what it holds and has cost */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        deferredId: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        keyId: string;
                        /** @description the batch that collects it, or carried it */
                        batchId: string;
                        /** @enum {string} */
                        status: "collecting" | "waiting" | "running" | "succeeded" | "failed" | "expired" | "cancelled";
                        /** @description of the try that answered, else of the one that carries it */
                        lane: ("batch" | "real_time") | null;
                        endpoint: string;
                        model: string;
                        /** @description answered, or still open, after its deadline */
                        isLate: boolean;
                        /** @description reserved until it has ended */
                        heldNanoUsd: string;
                        /** @description of all its tries; null = nothing was billed */
                        costNanoUsd: string | null;
                        /** @description of its answer */
                        httpStatus: number | null;
                        /** @description ISO 8601, UTC */
                        acceptedAt: string;
                        deadline: string | null;
                        answeredAt: string | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    cancelDeferred: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                deferredId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description End an item that no part carries; one that a part carries ends as that part does */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        deferredId: string;
                        /** @description team name; "@organization" stands for the organisation where budgets are meant */
                        teamId: string;
                        keyId: string;
                        /** @description the batch that collects it, or carried it */
                        batchId: string;
                        /** @enum {string} */
                        status: "collecting" | "waiting" | "running" | "succeeded" | "failed" | "expired" | "cancelled";
                        /** @description of the try that answered, else of the one that carries it */
                        lane: ("batch" | "real_time") | null;
                        endpoint: string;
                        model: string;
                        /** @description answered, or still open, after its deadline */
                        isLate: boolean;
                        /** @description reserved until it has ended */
                        heldNanoUsd: string;
                        /** @description of all its tries; null = nothing was billed */
                        costNanoUsd: string | null;
                        /** @description of its answer */
                        httpStatus: number | null;
                        /** @description ISO 8601, UTC */
                        acceptedAt: string;
                        deadline: string | null;
                        answeredAt: string | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readPolicy: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What holds now, and the basis to apply on */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description newest change of what the policy says */
                        basis: string;
                        /** @description the complete normal form */
                        policy: {
                            [key: string]: unknown;
                        };
                        /** @description a policy as YAML (docs/policy.md), at most 16 MiB */
                        text: string;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listPolicyRevisions: {
        parameters: {
            query?: {
                beforeRevision?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Policies that were applied, the newest first, page by page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description the newest first */
                        revisions: {
                            /** @description position in the change log */
                            revision: string;
                            /** @description the policy revision before it */
                            parent: string | null;
                            /** @description ISO 8601, UTC */
                            at: string;
                            adminName: string;
                            changeCount: number;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readPolicyRevision: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                revision: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One applied policy: the file, what it changed, and what held since */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description position in the change log */
                        revision: string;
                        /** @description the policy revision before it */
                        parent: string | null;
                        /** @description ISO 8601, UTC */
                        at: string;
                        adminName: string;
                        changeCount: number;
                        /** @description the file as it was given */
                        source: string;
                        /** @description the complete normal form */
                        policy: {
                            [key: string]: unknown;
                        };
                        changes: {
                            /** @enum {string} */
                            kind: "add" | "change" | "archive";
                            /** @description sections and names down to the entry */
                            at: string[];
                            path: string;
                            /** @description null = nothing */
                            before: unknown;
                            /** @description null = nothing */
                            after: unknown;
                            /** @description what calls feel of it: tightens, loosens, both or neutral */
                            effect: string;
                            summary: string;
                        }[];
                        /** @description a policy as YAML (docs/policy.md), at most 16 MiB */
                        text: string;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    diffPolicy: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description a policy as YAML (docs/policy.md), at most 16 MiB */
                    file: string;
                    /** @description how mistakes name the file; default policy.yaml */
                    fileName?: string;
                    /** @description archive what the file leaves out; default: it stays as it is */
                    prune?: boolean;
                };
            };
        };
        responses: {
            /** @description What a policy file would change; nothing is written */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description give it to apply */
                        basis: string;
                        /** @description empty = the file holds already */
                        changes: {
                            /** @enum {string} */
                            kind: "add" | "change" | "archive";
                            /** @description sections and names down to the entry */
                            at: string[];
                            path: string;
                            /** @description null = nothing */
                            before: unknown;
                            /** @description null = nothing */
                            after: unknown;
                            /** @description what calls feel of it: tightens, loosens, both or neutral */
                            effect: string;
                            summary: string;
                        }[];
                        /** @description the same for people */
                        text: string;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    applyPolicy: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description a policy as YAML (docs/policy.md), at most 16 MiB */
                    file: string;
                    /** @description how mistakes name the file; default policy.yaml */
                    fileName?: string;
                    /** @description archive what the file leaves out; default: it stays as it is */
                    prune?: boolean;
                    /** @description of the diff that was looked at */
                    basis: string;
                };
            };
        };
        responses: {
            /** @description Put a policy file in force, whole or not at all, as the diff on its basis said */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description the policy revision that holds; null before the first */
                        revision: string | null;
                        /** @description false = it held already and nothing was written */
                        isChanged: boolean;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    importLiteLlm: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description a LiteLLM proxy configuration as YAML, at most 16 MiB */
                    file: string;
                    /** @description how mistakes name the file; default config.yaml */
                    fileName?: string;
                };
            };
        };
        responses: {
            /** @description A LiteLLM configuration as a policy file; nothing is written */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description a policy as YAML (docs/policy.md), at most 16 MiB */
                        text: string;
                        /** @description what is not in the policy, or is there otherwise, and what is left to do */
                        notes: {
                            /** @description of the configuration */
                            line: number;
                            path: string;
                            problem: string;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readSpend: {
        parameters: {
            query?: {
                by?: string;
                per?: "hour" | "day" | "week" | "month";
                from?: string;
                to?: string;
                format?: "json" | "csv";
                teamId?: string;
                feature?: string;
                userId?: string;
                model?: string;
                askedModel?: string;
                provider?: string;
                keyId?: string;
                environment?: string;
                runId?: string;
                batchId?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was spent, by dimensions and periods; as CSV with format=csv */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        by: ("team" | "feature" | "user" | "model" | "askedModel" | "provider" | "key" | "environment" | "run" | "batch")[];
                        per: ("hour" | "day" | "week" | "month") | null;
                        rows: {
                            /** @description by dimension; null: not attributed */
                            groups: {
                                [key: string]: string | null;
                            };
                            /** @description readable name of the user, where one is kept */
                            userName?: string;
                            /** @description of the period, ISO 8601 */
                            startsAt?: string;
                            calls: number;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            inputTokens: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            outputTokens: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            costNanoUsd: string;
                            /** @description part of the cost that was charged without knowing and not yet resolved */
                            unresolvedNanoUsd: string;
                        }[];
                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                        totalNanoUsd: string;
                        /** @description false: of the newest calls some are not counted yet */
                        isComplete: boolean;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    recountSpend: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * Format: date
                     * @description first day of UTC
                     */
                    from: string;
                    /**
                     * Format: date
                     * @description last day, counted too; default the first one alone; at most 400 days
                     */
                    to?: string;
                };
            };
        };
        responses: {
            /** @description Make the sums of past days anew from the ledger, where verify says that they are not its entries' */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        from: string;
                        to: string;
                        /** @description in Temporal, which shows how far it is */
                        workflowId: string;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    auditModels: {
        parameters: {
            query?: {
                teamId?: string;
                feature?: string;
                from?: string;
                to?: string;
                cheaper?: string;
                format?: "json" | "csv";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Which calls of each feature a cheaper model would serve, and what that would save; as CSV with format=csv */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        from: string;
                        to: string;
                        /** @description the first that fits, in this order */
                        criteria: {
                            taskKind: string;
                            isSimple: boolean;
                            criteria: string;
                        }[];
                        uses: {
                            teamId: string;
                            feature: string | null;
                            provider: string;
                            model: string;
                            pricedModel: string;
                            calls: number;
                            simpleCalls: number;
                            kinds: {
                                /** @description one of no_text, media, unseen, tools, reasoning, conversation, classification, extraction, short_answer, summary, long; null: not known, as of batches */
                                taskKind: string | null;
                                isSimple: boolean;
                                calls: number;
                                /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                                inputTokens: string;
                                /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                                outputTokens: string;
                                /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                costNanoUsd: string;
                            }[];
                            /** @description absent: no cheaper model is known */
                            cheaper?: {
                                model: string;
                                /**
                                 * @description the question, a degrade line of a budget, or the table that comes with Tollgate
                                 * @enum {string}
                                 */
                                chosenBy: "asked" | "policy" | "table";
                                /** @description of the simple calls */
                                costNanoUsd: string;
                                /** @description of the same tokens, at the cheaper model */
                                cheaperNanoUsd: string;
                                /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                savedNanoUsd: string;
                                /** @description in 30 days; four of five months lie between low and high */
                                monthly: {
                                    /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                    expectedNanoUsd: string;
                                    /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                    lowNanoUsd: string;
                                    /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                    highNanoUsd: string;
                                };
                                /** @description share of the simple calls that may be asked again of the dearer model before nothing is saved */
                                retryShareMax: number | null;
                                isRecommended: boolean;
                            };
                        }[];
                        /** @description expected, of everything that is recommended */
                        monthlySavingNanoUsd: string;
                        /** @description false: of the newest calls some are not counted yet */
                        isComplete: boolean;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listStatementMonths: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Months with statements, the newest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        months: {
                            month: string;
                            /**
                             * @description drafted: it waits for approval, or is closed at once
                             * @enum {string}
                             */
                            state: "drafting" | "drafted" | "rejected" | "closed";
                            /** @description ISO 8601, UTC */
                            startsAt: string;
                            /** @description ISO 8601, UTC */
                            endsAt: string;
                            /** @description 0: none is whole yet */
                            draft: number;
                            draftedAt: string | null;
                            askedBy: string | null;
                            rulesRevision: string | null;
                            teams: number;
                            /** @description what the ledger booked in the month */
                            costNanoUsd: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            marginNanoUsd: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            chargeNanoUsd: string;
                            decidedBy: string | null;
                            decisionReason: string | null;
                            closedAt: string | null;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readStatements: {
        parameters: {
            query?: {
                teamId?: string;
                afterTeam?: string;
                limit?: number;
            };
            header?: never;
            path: {
                month: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What each team owes for a month, page by page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        month: {
                            month: string;
                            /**
                             * @description drafted: it waits for approval, or is closed at once
                             * @enum {string}
                             */
                            state: "drafting" | "drafted" | "rejected" | "closed";
                            /** @description ISO 8601, UTC */
                            startsAt: string;
                            /** @description ISO 8601, UTC */
                            endsAt: string;
                            /** @description 0: none is whole yet */
                            draft: number;
                            draftedAt: string | null;
                            askedBy: string | null;
                            rulesRevision: string | null;
                            teams: number;
                            /** @description what the ledger booked in the month */
                            costNanoUsd: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            marginNanoUsd: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            chargeNanoUsd: string;
                            decidedBy: string | null;
                            decisionReason: string | null;
                            closedAt: string | null;
                        };
                        /** @description in Temporal; null: there is none, or none yet */
                        workflow: {
                            id: string;
                            /** @description in Temporal's web UI; null: nobody said where that is (TEMPORAL_UI_URL) */
                            uiUrl: string | null;
                        } | null;
                        statements: {
                            /** @description "@unknown", "@organization": what no team stands for */
                            teamId: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            calls: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            inputTokens: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            outputTokens: string;
                            /** @description of its own, without what is shared */
                            ownNanoUsd: string;
                            /** @description with its shares */
                            costNanoUsd: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            marginNanoUsd: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            chargeNanoUsd: string;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readStatementLines: {
        parameters: {
            query?: {
                teamId?: string;
                afterTeam?: string;
                afterLine?: number;
                limit?: number;
                format?: "json" | "csv";
            };
            header?: never;
            path: {
                month: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The lines of a month's statements, page by page; as CSV with format=csv */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        lines: {
                            teamId: string;
                            line: number;
                            /** @enum {string} */
                            kind: "usage" | "adjustment" | "pooled" | "share" | "margin";
                            /** @description null: not attributed, as the next three */
                            feature: string | null;
                            user: string | null;
                            model: string | null;
                            provider: string | null;
                            /** @description of an adjustment: the earlier month */
                            ofMonth: string | null;
                            /** @description of pooled and share */
                            pool: string | null;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            calls: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            inputTokens: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            outputTokens: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            amountNanoUsd: string;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    closeMonth: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                month: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Draft the statements of a month that is over, and close it; where the rules say so, after approval */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        month: string;
                        /**
                         * @description drafted: it waits for approval, or is closed at once
                         * @enum {string}
                         */
                        state: "drafting" | "drafted" | "rejected" | "closed";
                        /** @description ISO 8601, UTC */
                        startsAt: string;
                        /** @description ISO 8601, UTC */
                        endsAt: string;
                        /** @description 0: none is whole yet */
                        draft: number;
                        draftedAt: string | null;
                        askedBy: string | null;
                        rulesRevision: string | null;
                        teams: number;
                        /** @description what the ledger booked in the month */
                        costNanoUsd: string;
                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                        marginNanoUsd: string;
                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                        chargeNanoUsd: string;
                        decidedBy: string | null;
                        decisionReason: string | null;
                        closedAt: string | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    approveStatements: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                month: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    reason: string;
                    /** @description the draft that was looked at; left out: whichever waits */
                    draft?: number;
                };
            };
        };
        responses: {
            /** @description Close a month as it is drafted */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        month: string;
                        /**
                         * @description drafted: it waits for approval, or is closed at once
                         * @enum {string}
                         */
                        state: "drafting" | "drafted" | "rejected" | "closed";
                        /** @description ISO 8601, UTC */
                        startsAt: string;
                        /** @description ISO 8601, UTC */
                        endsAt: string;
                        /** @description 0: none is whole yet */
                        draft: number;
                        draftedAt: string | null;
                        askedBy: string | null;
                        rulesRevision: string | null;
                        teams: number;
                        /** @description what the ledger booked in the month */
                        costNanoUsd: string;
                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                        marginNanoUsd: string;
                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                        chargeNanoUsd: string;
                        decidedBy: string | null;
                        decisionReason: string | null;
                        closedAt: string | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    rejectStatements: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                month: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    reason: string;
                    /** @description the draft that was looked at; left out: whichever waits */
                    draft?: number;
                };
            };
        };
        responses: {
            /** @description Keep a month open; closing it makes another draft */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        month: string;
                        /**
                         * @description drafted: it waits for approval, or is closed at once
                         * @enum {string}
                         */
                        state: "drafting" | "drafted" | "rejected" | "closed";
                        /** @description ISO 8601, UTC */
                        startsAt: string;
                        /** @description ISO 8601, UTC */
                        endsAt: string;
                        /** @description 0: none is whole yet */
                        draft: number;
                        draftedAt: string | null;
                        askedBy: string | null;
                        rulesRevision: string | null;
                        teams: number;
                        /** @description what the ledger booked in the month */
                        costNanoUsd: string;
                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                        marginNanoUsd: string;
                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                        chargeNanoUsd: string;
                        decidedBy: string | null;
                        decisionReason: string | null;
                        closedAt: string | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readChargebackRules: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description How months are charged back from now on */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description "0": nobody ever set any */
                        revision: string;
                        setAt: string | null;
                        setBy: string | null;
                        rules: {
                            /**
                             * @description months are of this calendar
                             * @default UTC
                             */
                            timeZone: string;
                            /**
                             * @default required
                             * @enum {string}
                             */
                            approval: "required" | "none";
                            /** @default 72 */
                            remindAfterHours: number;
                            /**
                             * @description what is shared; the first that matches takes a cost
                             * @default []
                             */
                            pools: {
                                name: string;
                                of: {
                                    team?: string;
                                    feature?: string;
                                    user?: string;
                                    model?: string;
                                    provider?: string;
                                    key?: string;
                                    environment?: string;
                                };
                                /** @enum {string} */
                                split: "even" | "proportional" | "fixed";
                                /**
                                 * @description teams it is split among; null: those that spent in the month
                                 * @default null
                                 */
                                among: string[] | null;
                                /**
                                 * @description of fixed: basis points by team, together 10000
                                 * @default {}
                                 */
                                shares: {
                                    [key: string]: number;
                                };
                            }[];
                            /**
                             * @description how what no team stands for is split
                             * @default {
                             *       "split": "proportional",
                             *       "among": null,
                             *       "shares": {}
                             *     }
                             */
                            unattributed: {
                                /** @enum {string} */
                                split: "even" | "proportional" | "fixed";
                                /**
                                 * @description teams it is split among; null: those that spent in the month
                                 * @default null
                                 */
                                among: string[] | null;
                                /**
                                 * @description of fixed: basis points by team, together 10000
                                 * @default {}
                                 */
                                shares: {
                                    [key: string]: number;
                                };
                            };
                            /**
                             * @description basis points of the cost; negative: a discount
                             * @default 0
                             */
                            marginBasisPoints: number;
                            /**
                             * @description of single teams
                             * @default {}
                             */
                            margins: {
                                [key: string]: number;
                            };
                        };
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    setChargebackRules: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /**
                     * @description months are of this calendar
                     * @default UTC
                     */
                    timeZone?: string;
                    /**
                     * @default required
                     * @enum {string}
                     */
                    approval?: "required" | "none";
                    /** @default 72 */
                    remindAfterHours?: number;
                    /**
                     * @description what is shared; the first that matches takes a cost
                     * @default []
                     */
                    pools?: {
                        name: string;
                        of: {
                            team?: string;
                            feature?: string;
                            user?: string;
                            model?: string;
                            provider?: string;
                            key?: string;
                            environment?: string;
                        };
                        /** @enum {string} */
                        split: "even" | "proportional" | "fixed";
                        /**
                         * @description teams it is split among; null: those that spent in the month
                         * @default null
                         */
                        among?: string[] | null;
                        /**
                         * @description of fixed: basis points by team, together 10000
                         * @default {}
                         */
                        shares?: {
                            [key: string]: number;
                        };
                    }[];
                    /**
                     * @description how what no team stands for is split
                     * @default {
                     *       "split": "proportional",
                     *       "among": null,
                     *       "shares": {}
                     *     }
                     */
                    unattributed?: {
                        /** @enum {string} */
                        split: "even" | "proportional" | "fixed";
                        /**
                         * @description teams it is split among; null: those that spent in the month
                         * @default null
                         */
                        among?: string[] | null;
                        /**
                         * @description of fixed: basis points by team, together 10000
                         * @default {}
                         */
                        shares?: {
                            [key: string]: number;
                        };
                    };
                    /**
                     * @description basis points of the cost; negative: a discount
                     * @default 0
                     */
                    marginBasisPoints?: number;
                    /**
                     * @description of single teams
                     * @default {}
                     */
                    margins?: {
                        [key: string]: number;
                    };
                };
            };
        };
        responses: {
            /** @description Set how months are charged back from now on, as a whole; closed months stay as they are */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description "0": nobody ever set any */
                        revision: string;
                        setAt: string | null;
                        setBy: string | null;
                        rules: {
                            /**
                             * @description months are of this calendar
                             * @default UTC
                             */
                            timeZone: string;
                            /**
                             * @default required
                             * @enum {string}
                             */
                            approval: "required" | "none";
                            /** @default 72 */
                            remindAfterHours: number;
                            /**
                             * @description what is shared; the first that matches takes a cost
                             * @default []
                             */
                            pools: {
                                name: string;
                                of: {
                                    team?: string;
                                    feature?: string;
                                    user?: string;
                                    model?: string;
                                    provider?: string;
                                    key?: string;
                                    environment?: string;
                                };
                                /** @enum {string} */
                                split: "even" | "proportional" | "fixed";
                                /**
                                 * @description teams it is split among; null: those that spent in the month
                                 * @default null
                                 */
                                among: string[] | null;
                                /**
                                 * @description of fixed: basis points by team, together 10000
                                 * @default {}
                                 */
                                shares: {
                                    [key: string]: number;
                                };
                            }[];
                            /**
                             * @description how what no team stands for is split
                             * @default {
                             *       "split": "proportional",
                             *       "among": null,
                             *       "shares": {}
                             *     }
                             */
                            unattributed: {
                                /** @enum {string} */
                                split: "even" | "proportional" | "fixed";
                                /**
                                 * @description teams it is split among; null: those that spent in the month
                                 * @default null
                                 */
                                among: string[] | null;
                                /**
                                 * @description of fixed: basis points by team, together 10000
                                 * @default {}
                                 */
                                shares: {
                                    [key: string]: number;
                                };
                            };
                            /**
                             * @description basis points of the cost; negative: a discount
                             * @default 0
                             */
                            marginBasisPoints: number;
                            /**
                             * @description of single teams
                             * @default {}
                             */
                            margins: {
                                [key: string]: number;
                            };
                        };
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readCharges: {
        parameters: {
            query: {
                day: string;
                runs?: "true" | "false";
                after?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was spent on a day of UTC as finely as it is kept, page by page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        charges: {
                            /**
                             * @description adjustment: booked for an earlier month
                             * @enum {string}
                             */
                            kind: "usage" | "adjustment";
                            /** @description null: no team stands for it */
                            teamId: string | null;
                            provider: string;
                            /** @description null: not attributed, as the next six */
                            model: string | null;
                            askedModel: string | null;
                            feature: string | null;
                            userId: string | null;
                            keyId: string | null;
                            environment: string | null;
                            runId: string | null;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            calls: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            inputTokens: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            outputTokens: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            amountNanoUsd: string;
                        }[];
                        /** @description null: there are no more */
                        next: string | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listReports: {
        parameters: {
            query?: {
                kind?: "daily" | "weekly" | "monthly";
                teamId?: string;
                before?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Reports that were written, the newest period first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        reports: {
                            /** @description like daily-2026-11-26, or daily-2026-11-26-search of a team */
                            id: string;
                            /** @enum {string} */
                            kind: "daily" | "weekly" | "monthly";
                            /** @description first day of its period */
                            date: string;
                            /** @description null: the organisation */
                            teamId: string | null;
                            edition: number;
                            writtenAt: string;
                            writtenBy: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            spentNanoUsd: string;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    makeReport: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @enum {string} */
                    kind: "daily" | "weekly" | "monthly";
                    /** @description a day inside its period, like 2026-11-26; default the newest period that is over */
                    date?: string;
                    /** @description default the organisation */
                    teamId?: string;
                    /** @description write it from the books as they are now; it is another edition where it says something else */
                    again?: boolean;
                    /** @description tell channels of it, once of each report */
                    tell?: boolean;
                };
            };
        };
        responses: {
            /** @description Write the report of a day, week or month that is over; one that was written before is given back as it is */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description like daily-2026-11-26, or daily-2026-11-26-search of a team */
                        id: string;
                        /** @enum {string} */
                        kind: "daily" | "weekly" | "monthly";
                        /** @description first day of its period */
                        date: string;
                        /** @description null: the organisation */
                        teamId: string | null;
                        edition: number;
                        writtenAt: string;
                        writtenBy: string;
                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                        spentNanoUsd: string;
                        /** @description it was written now; else it is what was written before */
                        isNew: boolean;
                        /** @description channels were told now */
                        isTold: boolean;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readReport: {
        parameters: {
            query?: {
                format?: "json" | "html" | "markdown";
                edition?: number;
            };
            header?: never;
            path: {
                reportId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One report, as data, as a page with format=html, or as Markdown with format=markdown */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description like daily-2026-11-26, or daily-2026-11-26-search of a team */
                        id: string;
                        /** @enum {string} */
                        kind: "daily" | "weekly" | "monthly";
                        /** @description first day of its period */
                        date: string;
                        /** @description null: the organisation */
                        teamId: string | null;
                        edition: number;
                        writtenAt: string;
                        writtenBy: string;
                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                        spentNanoUsd: string;
                        /** @description in Temporal; null: there is none, or none yet */
                        workflow: {
                            id: string;
                            /** @description in Temporal's web UI; null: nobody said where that is (TEMPORAL_UI_URL) */
                            uiUrl: string | null;
                        } | null;
                        report: {
                            /** @constant */
                            schemaVersion: 1;
                            /** @enum {string} */
                            kind: "daily" | "weekly" | "monthly";
                            teamId: string | null;
                            date: string;
                            title: string;
                            periodText: string;
                            timeZone: string;
                            fromMs: number;
                            toMs: number;
                            /** @description of the books, as of when it was written */
                            cut: {
                                chunks: string;
                                bookedUpToMs: number | null;
                            };
                            sections: {
                                id: string;
                                title: string;
                                figures: {
                                    label: string;
                                    cell: {
                                        /** @constant */
                                        is: "text";
                                        text: string;
                                    } | {
                                        /** @constant */
                                        is: "code";
                                        text: string;
                                    } | {
                                        /** @constant */
                                        is: "money";
                                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                        nanoUsd: string;
                                    } | {
                                        /** @constant */
                                        is: "count";
                                        count: string;
                                    } | {
                                        /** @constant */
                                        is: "change";
                                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                        nowNanoUsd: string;
                                        beforeNanoUsd: string | null;
                                    } | {
                                        /** @constant */
                                        is: "share";
                                        part: string;
                                        whole: string;
                                    } | {
                                        /** @constant */
                                        is: "none";
                                    };
                                    note?: string;
                                }[];
                                plots: {
                                    caption: string;
                                    bars: {
                                        label: string;
                                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                        nanoUsd: string;
                                        isMarked: boolean;
                                    }[];
                                    line?: {
                                        label: string;
                                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                        nanoUsd: string;
                                    };
                                }[];
                                tables: {
                                    caption: string;
                                    columns: {
                                        label: string;
                                        isNumber: boolean;
                                    }[];
                                    rows: ({
                                        /** @constant */
                                        is: "text";
                                        text: string;
                                    } | {
                                        /** @constant */
                                        is: "code";
                                        text: string;
                                    } | {
                                        /** @constant */
                                        is: "money";
                                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                        nanoUsd: string;
                                    } | {
                                        /** @constant */
                                        is: "count";
                                        count: string;
                                    } | {
                                        /** @constant */
                                        is: "change";
                                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                        nowNanoUsd: string;
                                        beforeNanoUsd: string | null;
                                    } | {
                                        /** @constant */
                                        is: "share";
                                        part: string;
                                        whole: string;
                                    } | {
                                        /** @constant */
                                        is: "none";
                                    })[][];
                                    total?: ({
                                        /** @constant */
                                        is: "text";
                                        text: string;
                                    } | {
                                        /** @constant */
                                        is: "code";
                                        text: string;
                                    } | {
                                        /** @constant */
                                        is: "money";
                                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                        nanoUsd: string;
                                    } | {
                                        /** @constant */
                                        is: "count";
                                        count: string;
                                    } | {
                                        /** @constant */
                                        is: "change";
                                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                        nowNanoUsd: string;
                                        beforeNanoUsd: string | null;
                                    } | {
                                        /** @constant */
                                        is: "share";
                                        part: string;
                                        whole: string;
                                    } | {
                                        /** @constant */
                                        is: "none";
                                    })[];
                                }[];
                                notes: string[];
                            }[];
                        };
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readForecast: {
        parameters: {
            query?: {
                by?: "team" | "feature";
                month?: string;
                asOf?: string;
                format?: "json" | "csv";
                teamId?: string;
                feature?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What a month will have cost, by team or feature, beside its budget; as CSV with format=csv */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {string} */
                        by: "team" | "feature";
                        /** @description the dearest first, at most 100 */
                        rows: {
                            teamId: string;
                            /** @description with by=feature; null: not attributed */
                            feature?: string | null;
                            /** @description whose days these are */
                            timeZone: string;
                            month: string;
                            /** @description of the month; they are known */
                            daysOver: number;
                            daysOfMonth: number;
                            /**
                             * @description run_rate: less than 14 days are known; known: the month is over
                             * @enum {string}
                             */
                            method: "model" | "run_rate" | "known";
                            /** @enum {string} */
                            confidence: "normal" | "low";
                            /** @description the level changed so lately that earlier forecasts say nothing of the error of this one */
                            isRecentChange: boolean;
                            /** @description spent on the days that are over */
                            knownNanoUsd: string;
                            /** @description of the whole month: as likely above as below */
                            expectedNanoUsd: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            low80NanoUsd: string;
                            /** @description four of five months end between low80NanoUsd and this */
                            high80NanoUsd: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            low95NanoUsd: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            high95NanoUsd: string;
                            /** @description the budget in money that renews monthly, with raises in force; null: there is none */
                            budget: {
                                /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                amountNanoUsd: string;
                                /** @description how likely the month ends above it, in hundredths of a percent */
                                aboveBasisPoints: number;
                                /** @description by then half of the forecast's paths have crossed it; null: fewer do this month */
                                crossedOn: string | null;
                                /** @description by then one path in ten has */
                                crossedEarlyOn: string | null;
                            } | null;
                        }[];
                        /** @description so many more there were: ask for one team */
                        leftOut: number;
                        /** @description false: of the newest calls some are not counted yet */
                        isComplete: boolean;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readAnomalies: {
        parameters: {
            query?: {
                by?: "team" | "feature";
                from?: string;
                to?: string;
                format?: "json" | "csv";
                teamId?: string;
                feature?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Days on which a team or feature spent more than it should have, and why; as CSV with format=csv */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @enum {string} */
                        by: "team" | "feature";
                        /** @description the newest first */
                        rows: {
                            teamId: string;
                            /** @description with by=feature; null: not attributed */
                            feature?: string | null;
                            /** @description whose days these are */
                            timeZone: string;
                            /** @description like 2026-11-01 */
                            day: string;
                            /** @enum {string} */
                            kind: "spike" | "drift";
                            /** @description when it began; of a spike the day itself */
                            since: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            spentNanoUsd: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            expectedNanoUsd: string;
                            /** @description how many usual deviations the day is above what was expected */
                            z: number;
                            cause: {
                                /** @description the narrowest part that explains four fifths of the excess; empty: none is narrower than all */
                                groups: {
                                    [key: string]: string | null;
                                };
                                /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                amountNanoUsd: string;
                                /** @description mean of the same weekday of up to six weeks before it began */
                                usualNanoUsd: string;
                                /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                excessNanoUsd: string;
                                /** @description what the excess is made of; they add up to it */
                                movements: {
                                    [key: string]: string;
                                };
                                /** @enum {string} */
                                largest: "volume" | "mix" | "tokensPerCall" | "price";
                            } | null;
                        }[];
                        /** @description so many series more there were: ask for one team */
                        leftOut: number;
                        /** @description false: of the newest calls some are not counted yet */
                        isComplete: boolean;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listRequests: {
        parameters: {
            query: {
                teamId: string;
                from?: string;
                to?: string;
                feature?: string;
                userId?: string;
                model?: string;
                provider?: string;
                keyId?: string;
                environment?: string;
                outcome?: "settled" | "unresolved" | "estimated" | "quarantined";
                limit?: number;
                after?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Calls of a team, the newest first, page by page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        readonly requests: {
                            requestId: string;
                            attemptId: string;
                            /** @description ISO 8601, UTC */
                            at: string;
                            feature: string | null;
                            userId: string | null;
                            keyId: string;
                            environment: string | null;
                            provider: string;
                            model: string;
                            outcome: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            costNanoUsd: string;
                            inputTokens: string | null;
                            outputTokens: string | null;
                            durationMs: number | null;
                        }[];
                        /** @description where the next page begins, which may be empty too: one page looks at 20000 calls at most; null: there is none */
                        next: string | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    explainRequest: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                requestId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What one request cost and why, or why it was refused */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        requestId: string;
                        readonly attempts: ({
                            attemptId: string;
                            /** @description the agent run it was a step of */
                            run: {
                                runId: string;
                                /** @description in Temporal; null: there is none, or none yet */
                                workflow: {
                                    id: string;
                                    /** @description in Temporal's web UI; null: nobody said where that is (TEMPORAL_UI_URL) */
                                    uiUrl: string | null;
                                } | null;
                            } | null;
                            /** @description the batch that carried it */
                            batch: {
                                batchId: string;
                                /** @description of an item that was handed in alone */
                                deferredId: string | null;
                                /** @description in Temporal; null: there is none, or none yet */
                                workflow: {
                                    id: string;
                                    /** @description in Temporal's web UI; null: nobody said where that is (TEMPORAL_UI_URL) */
                                    uiUrl: string | null;
                                } | null;
                            } | null;
                            /** @description ISO 8601, UTC */
                            at: string;
                            teamId: string;
                            keyId: string;
                            feature: string | null;
                            userId: string | null;
                            environment: string | null;
                            asserted: {
                                [key: string]: string;
                            } | null;
                            /** @description what the caller claimed; never attribution */
                            claimed: {
                                [key: string]: unknown;
                            } | null;
                            provider: string;
                            model: string;
                            askedModel: string | null;
                            degradedBy: {
                                [key: string]: unknown;
                            } | null;
                            answeredModel: string | null;
                            serviceTier: string | null;
                            endpoint: string;
                            outcome: string;
                            reason: string | null;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            reservedNanoUsd: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            costNanoUsd: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            overrunNanoUsd: string;
                            usage: {
                                [key: string]: unknown;
                            };
                            priceVersion: number;
                            /** @description how the cost was made; null where it was not priced from usage */
                            price: ({
                                /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                costNanoUsd: string;
                                readonly lines: ({
                                    tokenClass?: string;
                                    tool?: string;
                                    quantity: number;
                                    nanoUsdPerMillion?: string;
                                    nanoUsdPerCall?: string;
                                    /** @description exact, with up to six decimals; only the total is rounded, up, once */
                                    nanoUsd: string;
                                } & {
                                    [key: string]: unknown;
                                })[];
                                provider: string;
                                model: string;
                                priceTier: string;
                                priceVersion: number;
                            } & {
                                [key: string]: unknown;
                            }) | null;
                            clampedOutputTokens: number | null;
                            providerRequestId: string | null;
                            httpStatus: number | null;
                            durationMs: number | null;
                            readonly entries: {
                                entryKey: string;
                                kind: string;
                                /** @description decimal string of nano-USD (1 USD = 1000000000) */
                                amountNanoUsd: string;
                                /** @description ISO 8601, UTC */
                                at: string;
                                reason: string | null;
                            }[];
                            readonly budgets: {
                                budgetId: string;
                                name: string;
                                windowStartsAt: string | null;
                            }[];
                        } & {
                            [key: string]: unknown;
                        })[];
                        readonly refusals: ({
                            refusalId: string;
                            /** @description ISO 8601, UTC */
                            at: string;
                            code: string;
                            teamId: string;
                            keyId: string;
                            budget: string | null;
                            unit: string | null;
                            limitAmount: string | null;
                            grantedAmount: string | null;
                            idleAmount: string | null;
                            needAmount: string | null;
                            waitedMs: number;
                            isObserved: boolean;
                            limitName: string | null;
                            stoodAtAmount: string | null;
                            unrecordedBefore: number;
                            line: number | null;
                        } & {
                            [key: string]: unknown;
                        })[];
                        /** @description months of these attempts whose settled calls are in a file, where further attempts may be */
                        readonly archivedMonths: {
                            month: string;
                            file: string;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    sumRefusals: {
        parameters: {
            query?: {
                teamId?: string;
                days?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was refused in the last days, or would have been by observed budgets, by team and reason */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description the most calls first, at most 500 */
                        readonly rows: {
                            /** @description team name; "@organization" stands for the organisation where budgets are meant */
                            teamId: string;
                            code: string;
                            /** @description as "team, day"; null where no budget refused */
                            budget: string | null;
                            /** @description as in x-tollgate-limit; null where no limit refused */
                            limitName: string | null;
                            /** @description the budget is only observed: the calls were let pass */
                            isObserved: boolean;
                            /** @description those without a row of their own included */
                            calls: number;
                            /** @description ISO 8601, UTC */
                            lastAt: string;
                        }[];
                        /** @description false: there were more than 100000 refusals, and so many were added up */
                        isComplete: boolean;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listLeases: {
        parameters: {
            query?: {
                all?: "true" | "false";
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Money that gateways hold */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        leases: {
                            gatewayId: string;
                            epoch: string;
                            /** @description team name; "@organization" stands for the organisation where budgets are meant */
                            teamId: string;
                            budget: string;
                            unit: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            grantedAmount: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            returnedAmount: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            postedAmount: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            pendingAmount: string;
                            /** @description decimal string in nano-USD, or in tokens for a budget in tokens */
                            overrunAmount: string;
                            silentMs: number | null;
                            closedHow: string | null;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    resolveLease: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    gatewayId: string;
                    epoch: string;
                    /** @description dollars with at most nine decimals, like "0.25" */
                    spentUsd: string;
                };
            };
        };
        responses: {
            /** @description Settle what a gateway that never comes back has left open */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        gatewayId: string;
                        epoch: string;
                        lumps: {
                            entryKey: string;
                            /** @description decimal string of nano-USD (1 USD = 1000000000) */
                            amountNanoUsd: string;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listChanges: {
        parameters: {
            query?: {
                afterRevision?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Who changed what, in order */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        changes: {
                            /** @description position in the change log */
                            revision: string;
                            /** @description ISO 8601, UTC */
                            at: string;
                            kind: string;
                            subject: string;
                            adminName: string;
                            detail: {
                                [key: string]: unknown;
                            };
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listPrices: {
        parameters: {
            query?: {
                provider?: string;
                model?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Price lines in force */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        version: number;
                        lines: {
                            [key: string]: unknown;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    setPrice: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description a price line; amounts are decimal strings of nano-USD per million tokens */
                    line: {
                        [key: string]: unknown;
                    };
                    /** @description ISO 8601, UTC */
                    effectiveFrom?: string;
                };
            };
        };
        responses: {
            /** @description Set the price of one model */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        version: number;
                        /** @description position in the change log */
                        revision: string;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    checkPrice: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    model: string;
                    provider?: string;
                    /** @enum {string} */
                    tier?: "standard" | "batch" | "flex" | "priority";
                    usage: {
                        [key: string]: unknown;
                    };
                };
            };
        };
        responses: {
            /** @description What a usage costs, and how that was made */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description decimal string of nano-USD (1 USD = 1000000000) */
                        costNanoUsd: string;
                        lines: {
                            [key: string]: unknown;
                        }[];
                        provider: string;
                        model: string;
                        priceTier: string;
                        priceVersion: number;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listUsers: {
        parameters: {
            query?: {
                afterId?: string;
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Users that have a readable name, page by page */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        users: {
                            userId: string;
                            name: string;
                            /** @description ISO 8601, UTC */
                            namedAt: string;
                            namedBy: string;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    nameUser: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                userId: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    name: string;
                };
            };
        };
        responses: {
            /** @description Give a user id a readable name */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        done: true;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    eraseUser: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                userId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Forget a user's readable name; what the id spent stays in the books */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        done: true;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listAdminKeys: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Admin keys, without secrets */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        adminKeys: {
                            id: string;
                            name: string;
                            /**
                             * @description operator: everything; viewer: reads everything; finance: reads everything, and closes months; team-owner: his teams
                             * @enum {string}
                             */
                            role: "operator" | "viewer" | "finance" | "team-owner";
                            /** @description of a team-owner; null: all */
                            teamIds: string[] | null;
                            /** @description ISO 8601, UTC */
                            createdAt: string;
                            createdBy: string;
                            revokedAt: string | null;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    createAdminKey: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    name: string;
                    /**
                     * @description default operator
                     * @enum {string}
                     */
                    role?: "operator" | "viewer" | "finance" | "team-owner";
                    /** @description of a team-owner, at least one */
                    teamIds?: string[];
                };
            };
        };
        responses: {
            /** @description Create an admin key for a person; the secret is in this answer only */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        id: string;
                        /** @description the secret; shown this once */
                        key: string;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    revokeAdminKey: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                adminKeyId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Revoke an admin key; the last one of an operator stays */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        done: true;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readSession: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Who is signed in, with which rights, until when */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description stands beside every change */
                        name: string;
                        /**
                         * @description operator: everything; viewer: reads everything; finance: reads everything, and closes months; team-owner: his teams
                         * @enum {string}
                         */
                        role: "operator" | "viewer" | "finance" | "team-owner";
                        /** @description null: all */
                        teamIds: string[] | null;
                        /** @description for the header x-tollgate-csrf of every change; empty: asked with an admin key, which needs none */
                        csrfToken: string;
                        /** @description at the latest; null: asked with an admin key */
                        expiresAt: string | null;
                        temporalUiUrl: string | null;
                        /** @description of reports */
                        timeZone: string;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    signIn: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description what stands behind # of a one-time link */
                    link?: string;
                    adminKey?: string;
                };
            };
        };
        responses: {
            /** @description Sign in with a one-time link or an admin key; the answer sets the cookie of the session */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description stands beside every change */
                        name: string;
                        /**
                         * @description operator: everything; viewer: reads everything; finance: reads everything, and closes months; team-owner: his teams
                         * @enum {string}
                         */
                        role: "operator" | "viewer" | "finance" | "team-owner";
                        /** @description null: all */
                        teamIds: string[] | null;
                        /** @description for the header x-tollgate-csrf of every change; empty: asked with an admin key, which needs none */
                        csrfToken: string;
                        /** @description at the latest; null: asked with an admin key */
                        expiresAt: string | null;
                        temporalUiUrl: string | null;
                        /** @description of reports */
                        timeZone: string;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    signOut: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Sign out: the session ends at once */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        done: true;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listSignInWays: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description How one may sign in beside links and admin keys */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description null: there is no identity provider */
                        oidc: {
                            name: string;
                            startUrl: string;
                        } | null;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listenForChanges: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Server-sent events: which of what pages show has changed, at most once a second */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": string;
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    createConsoleLink: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description whose session it opens; default whoever makes it */
                    name?: string;
                    /**
                     * @description default operator
                     * @enum {string}
                     */
                    role?: "operator" | "viewer" | "finance" | "team-owner";
                    /** @description of a team-owner, at least one */
                    teamIds?: string[];
                };
            };
        };
        responses: {
            /** @description A one-time link to the console; what opens the session is in this answer only */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description below the origin of this API; opens one session, within ten minutes */
                        path: string;
                        name: string;
                        /**
                         * @description operator: everything; viewer: reads everything; finance: reads everything, and closes months; team-owner: his teams
                         * @enum {string}
                         */
                        role: "operator" | "viewer" | "finance" | "team-owner";
                        teamIds: string[] | null;
                        /** @description ISO 8601, UTC */
                        expiresAt: string;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listAlerts: {
        parameters: {
            query?: {
                teamId?: string;
                firing?: "true" | "false";
                dead?: "true" | "false";
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Alerts and their deliveries, the newest first */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        alerts: {
                            /** @description stable: the same however often it is sent */
                            id: string;
                            /** @description ISO 8601, UTC */
                            at: string;
                            /** @description "@organization" for what belongs to no team */
                            teamId: string;
                            /** @description key of a budget, gateway and epoch, or empty; the order is kept within team and subject */
                            subject: string;
                            kind: string;
                            /** @enum {string} */
                            severity: "info" | "warning" | "error" | "critical";
                            /**
                             * @description firing lasts, ended fired before, over is such an end, notice only happened
                             * @enum {string}
                             */
                            status: "firing" | "ended" | "over" | "notice";
                            endedAt: string | null;
                            title: string;
                            /** @description page of the project that says what to do */
                            runbook: string;
                            detail: {
                                [key: string]: unknown;
                            };
                            /** @description empty: no route took it */
                            deliveries: {
                                channel: string;
                                /**
                                 * @description superseded: nothing was left to tell, the channel is gone or knew of the end
                                 * @enum {string}
                                 */
                                state: "waiting" | "delivered" | "dead" | "superseded";
                                attempts: number;
                                nextAttemptAt: string | null;
                                lastError: string | null;
                                /** @description what the receiver said when it took it */
                                answer: string | null;
                                endedAt: string | null;
                                acknowledgedBy: string | null;
                            }[];
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    readAlert: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                alertId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One alert: what it said, where it went and what the receivers answered */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description stable: the same however often it is sent */
                        id: string;
                        /** @description ISO 8601, UTC */
                        at: string;
                        /** @description "@organization" for what belongs to no team */
                        teamId: string;
                        /** @description key of a budget, gateway and epoch, or empty; the order is kept within team and subject */
                        subject: string;
                        kind: string;
                        /** @enum {string} */
                        severity: "info" | "warning" | "error" | "critical";
                        /**
                         * @description firing lasts, ended fired before, over is such an end, notice only happened
                         * @enum {string}
                         */
                        status: "firing" | "ended" | "over" | "notice";
                        endedAt: string | null;
                        title: string;
                        /** @description page of the project that says what to do */
                        runbook: string;
                        detail: {
                            [key: string]: unknown;
                        };
                        /** @description empty: no route took it */
                        deliveries: {
                            channel: string;
                            /**
                             * @description superseded: nothing was left to tell, the channel is gone or knew of the end
                             * @enum {string}
                             */
                            state: "waiting" | "delivered" | "dead" | "superseded";
                            attempts: number;
                            nextAttemptAt: string | null;
                            lastError: string | null;
                            /** @description what the receiver said when it took it */
                            answer: string | null;
                            endedAt: string | null;
                            acknowledgedBy: string | null;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    retryAlert: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                alertId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Send again what of an alert was given up */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description deliveries that wait again */
                        waiting: number;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    retryDeadAlerts: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Send again everything that was given up */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description deliveries that wait again */
                        waiting: number;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    acknowledgeAlert: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                alertId: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Say that somebody knows it was not delivered */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @description stable: the same however often it is sent */
                        id: string;
                        /** @description ISO 8601, UTC */
                        at: string;
                        /** @description "@organization" for what belongs to no team */
                        teamId: string;
                        /** @description key of a budget, gateway and epoch, or empty; the order is kept within team and subject */
                        subject: string;
                        kind: string;
                        /** @enum {string} */
                        severity: "info" | "warning" | "error" | "critical";
                        /**
                         * @description firing lasts, ended fired before, over is such an end, notice only happened
                         * @enum {string}
                         */
                        status: "firing" | "ended" | "over" | "notice";
                        endedAt: string | null;
                        title: string;
                        /** @description page of the project that says what to do */
                        runbook: string;
                        detail: {
                            [key: string]: unknown;
                        };
                        /** @description empty: no route took it */
                        deliveries: {
                            channel: string;
                            /**
                             * @description superseded: nothing was left to tell, the channel is gone or knew of the end
                             * @enum {string}
                             */
                            state: "waiting" | "delivered" | "dead" | "superseded";
                            attempts: number;
                            nextAttemptAt: string | null;
                            lastError: string | null;
                            /** @description what the receiver said when it took it */
                            answer: string | null;
                            endedAt: string | null;
                            acknowledgedBy: string | null;
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listAlertChannels: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Channels and routes of alerts, without secrets */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        channels: {
                            name: string;
                            /** @enum {string} */
                            kind: "slack" | "pagerduty" | "alertmanager" | "webhook";
                            /** @description of alertmanager, webhook, and a pagerduty that is not the public one; no secret */
                            url?: string;
                            /** @description variable of the worker that holds the URL */
                            urlEnv?: string;
                            /** @description file that holds it, an absolute path */
                            urlFile?: string;
                            /** @description of pagerduty */
                            routingKeyEnv?: string;
                            routingKeyFile?: string;
                            /** @description of webhook: whsec_…, which signs it */
                            secretEnv?: string;
                            secretFile?: string;
                            /** @description may be delivered to a private address, and over http; default false */
                            allowPrivate?: boolean;
                        }[];
                        routes: {
                            teamId: string;
                            channel: string;
                            /** @description empty = all */
                            kinds: string[];
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    setAlertChannel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description slack, pagerduty, alertmanager, webhook */
                    kind?: string;
                    /** @description of alertmanager, webhook, and a pagerduty that is not the public one; no secret */
                    url?: string;
                    /** @description variable of the worker that holds the URL */
                    urlEnv?: string;
                    /** @description file that holds it, an absolute path */
                    urlFile?: string;
                    /** @description of pagerduty */
                    routingKeyEnv?: string;
                    routingKeyFile?: string;
                    /** @description of webhook: whsec_…, which signs it */
                    secretEnv?: string;
                    secretFile?: string;
                    /** @description may be delivered to a private address, and over http; default false */
                    allowPrivate?: boolean;
                } & {
                    [key: string]: unknown;
                };
            };
        };
        responses: {
            /** @description Make an alert channel, or set it anew */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        name: string;
                        /** @enum {string} */
                        kind: "slack" | "pagerduty" | "alertmanager" | "webhook";
                        /** @description of alertmanager, webhook, and a pagerduty that is not the public one; no secret */
                        url?: string;
                        /** @description variable of the worker that holds the URL */
                        urlEnv?: string;
                        /** @description file that holds it, an absolute path */
                        urlFile?: string;
                        /** @description of pagerduty */
                        routingKeyEnv?: string;
                        routingKeyFile?: string;
                        /** @description of webhook: whsec_…, which signs it */
                        secretEnv?: string;
                        secretFile?: string;
                        /** @description may be delivered to a private address, and over http; default false */
                        allowPrivate?: boolean;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    removeAlertChannel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description End an alert channel that no route names; what waits for it is not told */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        /** @constant */
                        done: true;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    testAlertChannel: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                name: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Send a test alert now; answers what the receiver said */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        isDelivered: boolean;
                        /** @description what the receiver answered, or why nothing came back */
                        said: string;
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
    setAlertRoutes: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": {
                    /** @description "@organization" is told of every team */
                    teamId: string;
                    routes: ({
                        channel: string;
                        /** @description empty or absent = all; budget.threshold, budget.stopped, budget.overrun, budget.withdrawn, increase.requested, increase.decided, increase.ended, change.refused, spend.above_expected, spend.anomaly, refusals.burst, charges.unresolved, price.mismatch, ledger.quarantine, authority.lost_commits, gateway.fenced, gateway.silent, velocity.key, velocity.user, run.paused, run.stopped, run.warned, batch.failed, batch.late, batch.unresolved, provider.quota, deferred.late, deferred.undelivered, statement.waiting, report.daily, report.weekly, report.monthly */
                        kinds?: string[];
                    } & {
                        [key: string]: unknown;
                    })[];
                };
            };
        };
        responses: {
            /** @description Set which alerts of a team go where, as a whole */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": {
                        routes: {
                            teamId: string;
                            channel: string;
                            /** @description empty = all */
                            kinds: string[];
                        }[];
                    };
                };
            };
            /** @description refused: error.code says why, error.field where to look */
            default: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Problem"];
                };
            };
        };
    };
}
