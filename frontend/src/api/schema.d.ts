// Written by `npm run gen` from the server's OpenAPI document; not edited by hand.

export interface paths {
    "/api/v1/approvals": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the decisions that steps of the workspace wait for, those of the newest runs first. */
        get: {
            parameters: {
                query?: {
                    /** @description The `next_cursor` of the list before. */
                    cursor?: string;
                    /** @description How many at most, 1 to 200; 50 without it. */
                    limit?: number;
                    /** @description `waiting`, which is also meant without it. */
                    status?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Approval"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/auth/login": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Signs in. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Login"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TokenAnswer"];
                    };
                };
                /** @description `invalid_credentials` */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description too many attempts */
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/auth/logout": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends the session of the refresh cookie. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description signed out */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/auth/profile": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Says who is signed in, to which workspace, with which role. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ProfileAnswer"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/auth/refresh": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Exchanges the refresh cookie for a new one and a new access token. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TokenAnswer"];
                    };
                };
                /** @description signed out */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/auth/setup": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes the first owner and their workspace, once, with the token of the link that the server printed. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Setup"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TokenAnswer"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description wrong token, or there is an owner already */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/auth/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Says whether the first owner has yet to be made. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AuthStatus"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/budgets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The workspace's budgets: its own first, then those of its workflows. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Budget"];
                    };
                };
            };
        };
        put?: never;
        /** Makes a budget. What was spent in its current period counts from the beginning. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["CreateBudget"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Budget"];
                    };
                };
                /** @description a limit or a time zone that cannot be (`invalid_input`) */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description not an owner */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description there is no such workflow */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description `budget_exists` for the same period, or `too_many_budgets` */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/budgets/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /** Deletes a budget: it holds nothing back any more. What was spent stays in the usage. */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description not an owner */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        /** Changes a budget. Steps that wait for it go on at once if there is room now. */
        patch: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ChangeBudget"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Budget"];
                    };
                };
                /** @description a limit that cannot be (`invalid_input`) */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description not an owner */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        trace?: never;
    };
    "/api/v1/budgets/{id}/top-ups": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What was added to a budget, the newest first. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_TopUp"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        /**
         * Adds money to the current period of a budget. Steps that wait for it go on at once.
         * @description With an `Idempotency-Key`, the same request can be repeated: the money is added once.
         */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description at most 255 characters */
                    "Idempotency-Key"?: string | null;
                };
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["AddMoney"];
                };
            };
            responses: {
                /** @description the same key and body have added this before */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Budget"];
                    };
                };
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Budget"];
                    };
                };
                /** @description an amount that cannot be (`invalid_input`) */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description not an owner */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description `idempotency_conflict`: the key was used with another body */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists deliveries, newest first. */
        get: {
            parameters: {
                query?: {
                    /** @description The `next_cursor` of the list before. */
                    cursor?: string;
                    /** @description How many at most, 1 to 200; 50 without it. */
                    limit?: number;
                    /** @description Only those that stand here. */
                    status?: string;
                    /** @description Only to this trigger. */
                    trigger_id?: string;
                    /** @description Only to triggers of this workflow. */
                    workflow_id?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_DeliverySummary"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows a delivery with its headers and the beginning of its body. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Delivery"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries/{id}/drop": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Drops a delivery that is held back: no run is started. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Delivery"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description it is not held back */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries/{id}/release": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets a delivery go that is held back: its run is started. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Delivery"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description it is not held back */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/deliveries/{id}/replay": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Has a delivery played again, as one that has just come: with its trigger as it is now, and a run of its own. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Delivery"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description what came was not kept, or the trigger does not answer now */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/node-types": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the kinds of nodes in the order of the palette. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_NodeType"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists runs, newest first; those of a run's steps in the order of their items. */
        get: {
            parameters: {
                query?: {
                    /** @description The `next_cursor` of the list before. */
                    cursor?: string;
                    /** @description How many at most, 1 to 200; 50 without it. */
                    limit?: number;
                    /** @description Only those that were started for this node of the parent. */
                    node?: string;
                    /**
                     * @description Only those that were started for steps of this run, in the order of their items; without it, only those that no step has
                     *     started.
                     */
                    parent?: string;
                    /** @description Only those that stand here. */
                    status?: string;
                    /** @description Only of this workflow. */
                    workflow_id?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_RunSummary"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows a run. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Run"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description `run_expired`: the workspace no longer keeps runs of that time */
                410: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/approvals/{node_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Decides what a step asks. Of several decisions, the first one counts. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                    node_id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Decide"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["DecidedApproval"];
                    };
                };
                /** @description `not_an_approver`: the step names others */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description there is no such run, or its step asks for no decision */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description another decision came first (`approval_decided`), something else was shown (`approval_changed`), or the run has ended (`run_finished`) */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/blobs/{key}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Shows a large value: the JSON that a reference stands for. The key is percent-encoded, its slashes too. What the value holds may
         *     be references again.
         */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                    /** @description `$blob` of the reference */
                    key: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the whole value */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": unknown;
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description `run_expired`: the workspace no longer keeps runs of that time */
                410: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/budget": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** What a run has spent, step by step, and how much more it may. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["RunBudget"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        /**
         * Adds money to what a run may spend, or one of its steps. Steps that wait for it go on at once, with the same attempt.
         * @description With an `Idempotency-Key`, the same request can be repeated: the money is added once.
         */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description at most 255 characters */
                    "Idempotency-Key"?: string | null;
                };
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["AddRunMoney"];
                };
            };
            responses: {
                /** @description the same key and body have added this before */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["RunBudget"];
                    };
                };
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["RunBudget"];
                    };
                };
                /** @description an amount that cannot be (`invalid_input`) */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description not an editor */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description there is no such run, or no such node in it */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description `run_finished`, `no_run_budget`: the run has no cap of its own; or `idempotency_conflict` */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/cancel": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks a run to stop; steps that are running are stopped too. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Run"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description the run has ended */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/checkpoints": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists where the steps of a run have left its work tree. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description in the order in which steps have left the tree */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Checkpoint"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description `run_expired`: the workspace no longer keeps runs of that time */
                410: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/checkpoints/{number}/diff": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows what a step has changed in the work tree, as a patch. One of more than 4 MiB ends with a line that says so. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                    number: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description the patch; empty when the step has changed nothing */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/plain": string;
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description `run_expired`: the workspace no longer keeps runs of that time */
                410: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/conflicts": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the conflicts that the rebases of a run have met, in the order in which they were met. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_RunConflict"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/conflicts/{conflict_id}/resolution": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Answers a conflict that a step waits for. The answer is checked like any other: no conflict markers, syntax, keys and tokens. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    conflict_id: string;
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ResolveConflict"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["RunConflict"];
                    };
                };
                /** @description not exactly one of `take` and `content` */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description it is resolved (`conflict_resolved`), its step does not wait for it now (`conflict_not_asked`), or the run has ended (`run_finished`) */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description a check refuses it (`resolution_refused`) */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Streams the events of a run as server-sent events: `id` is the event's number in the run, dense from 1.
         * @description Reconnect with `Last-Event-ID` to go on without a gap. The stream ends after `run_finished`.
         */
        get: {
            parameters: {
                query?: {
                    /** @description Only events after this number; the header `Last-Event-ID` goes before it. */
                    after?: string;
                };
                header?: {
                    "Last-Event-ID"?: number | null;
                };
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description a stream of events */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": string;
                    };
                };
                /** @description the cursor is not a number */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description `run_expired`: the workspace no longer keeps runs of that time */
                410: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the log lines of a run. `next_cursor` is what to pass as `after` when there may be more. */
        get: {
            parameters: {
                query?: {
                    /** @description Only lines after this number. */
                    after?: number;
                    /** @description How many at most, 1 to 5000; 1000 without it. */
                    limit?: number;
                    /** @description Only of this node. */
                    node_id?: string;
                };
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_LogLine"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks a run to begin nothing more until it is resumed. What is under way goes on. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Run"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description the run has ended */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/rerun": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Makes a run again that has ended: whole, from what failed, or from any step; the outputs of steps before it are kept.
         * @description With an `Idempotency-Key`, the same request can be repeated: it starts one run, and later answers show that one.
         */
        post: {
            parameters: {
                query?: never;
                header?: {
                    /** @description at most 255 characters; it counts for 30 days */
                    "Idempotency-Key"?: string | null;
                };
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["RerunRun"];
                };
            };
            responses: {
                /** @description the same key and body have started this run before */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Run"];
                    };
                };
                /** @description the new run */
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Run"];
                    };
                };
                /** @description there is no such node, or nothing has failed (`invalid_input`) */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description the run has not ended, or was started by a step of another one (`run_state`); or what is kept of it cannot be read (`run_unreadable`); or `workflow_archived`; or `idempotency_conflict` */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/rerun/plan": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Says what making a run again would do: which steps it keeps, which it cannot, and whose effects may happen once more. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["RerunRun"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["RerunPlan"];
                    };
                };
                /** @description there is no such node, or nothing has failed (`invalid_input`) */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description the run has not ended, or was started by a step of another one (`run_state`); or what is kept of it cannot be read (`run_unreadable`) */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks a paused run to go on. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Run"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description the run has ended */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/signals/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Sends a signal to a run. The first step that waits for its name takes it; until one does, it is kept.
         * @description The body is the payload: any JSON, or nothing for null. Each call sends one signal.
         */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                    /** @description 1 to 64 letters, digits, `.`, `_` or `-` */
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": unknown;
                };
            };
            responses: {
                /** @description the signal is on disk */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Run"];
                    };
                };
                /** @description not a name */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description the run has ended (`run_finished`), or keeps 100 signals already (`too_many_signals`) */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description the payload is larger than 256 KiB */
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/steps": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists all attempts of a run, in the order in which they began. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Step"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/runs/{id}/why": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Says why a run stands where it stands. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Why"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/schedules/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Shows when a schedule would fire, without saving it. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Preview"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Fires"];
                    };
                };
                /** @description the schedule cannot be used: `detail` names the field */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/secrets": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The workspace's secrets, in the order of their names, without their values. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Secret"];
                    };
                };
            };
        };
        put?: never;
        /** Saves a new secret. Its value is encrypted, used when a step needs it, and never shown again. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SaveSecret"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Secret"];
                    };
                };
                /** @description a name, value or host that cannot be */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description not an editor */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description the name is taken, or the server has no master key */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/secrets/{name}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** Changes the value of a secret, the hosts that it may be sent to, or both. Whatever begins afterwards uses the new ones. */
        put: {
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
                    "application/json": components["schemas"]["ChangeSecret"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Secret"];
                    };
                };
                /** @description a value or host that cannot be, or further hosts without the value */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description not an editor */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description somebody else has changed it meanwhile */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        post?: never;
        /** Deletes a secret. Steps that name it fail from now on; the answer says which workflows have some. */
        delete: {
            parameters: {
                query?: {
                    /** @description Whether steps may use the operator's secret of the same name from then on, if there is one. */
                    fall_back?: boolean;
                };
                header?: never;
                path: {
                    name: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SecretDeleted"];
                    };
                };
                /** @description not an editor */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description the operator has a secret of that name, and `fall_back` was not given */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/triggers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists triggers, newest first. */
        get: {
            parameters: {
                query?: {
                    /** @description The `next_cursor` of the list before. */
                    cursor?: string;
                    /** @description Only of this kind: `webhook`, `github` or `schedule`. */
                    kind?: string;
                    /** @description How many at most, 1 to 200; 50 without it. */
                    limit?: number;
                    /** @description Only of this workflow. */
                    workflow_id?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Trigger"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/triggers/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows a trigger. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Trigger"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/triggers/{id}/backfill": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Fires the slots of a range that have not fired. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Range"];
                };
            };
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Backfilled"];
                    };
                };
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description `trigger_not_active` */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/triggers/{id}/fires": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows when a schedule fires next. */
        get: {
            parameters: {
                query?: {
                    /** @description How many at most, 1 to 100; 10 without it. */
                    count?: number;
                };
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Fires"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/triggers/{id}/pause": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Holds back from now on what comes to a trigger. It is still answered with 202. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Trigger"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/triggers/{id}/resume": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Lets what comes to a trigger pass again, and decides what becomes of what was held back. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: {
                content: {
                    "application/json": components["schemas"]["ResumeTrigger"] | null;
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ResumedTrigger"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/triggers/{id}/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives a trigger another address. The old one answers nobody from now on. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Trigger"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/usage": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Adds up what was spent on turns of models, by node, run, workflow, user, model or day. */
        get: {
            parameters: {
                query?: {
                    /** @description Turns that began then or later, RFC 3339; 30 days before `to` without it. */
                    from?: string;
                    /** @description `node`, `run`, `workflow`, `user`, `model` or `day`; `day` without it. */
                    group_by?: string;
                    /** @description Only those of one run. */
                    run_id?: string;
                    /** @description Whose midnight counts when days are told apart; UTC without it. */
                    time_zone?: string;
                    /** @description Turns that began before, RFC 3339; now without it. */
                    to?: string;
                    /** @description Only those of one workflow. */
                    workflow_id?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Usage"];
                    };
                };
                /** @description `invalid_parameter` */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/webhooks/github": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes an event of GitHub for every active `trigger.github` whose secret has signed it. */
        post: {
            parameters: {
                query?: never;
                header: {
                    "X-GitHub-Delivery": string;
                    "X-GitHub-Event": string;
                    "X-Hub-Signature-256": string;
                };
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": unknown;
                };
            };
            responses: {
                /** @description a ping */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TakenEvents"];
                    };
                };
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TakenEvents"];
                    };
                };
                /** @description no trigger's secret has signed it */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description too much came from this address that no secret has signed */
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists workflows, newest first. */
        get: {
            parameters: {
                query?: {
                    /** @description The `next_cursor` of the list before. */
                    cursor?: string;
                    /** @description How many at most, 1 to 200; 50 without it. */
                    limit?: number;
                    /** @description A part of the name. */
                    q?: string;
                    /** @description `draft`, `active` or `archived`; without it, all that are not archived. */
                    status?: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_Workflow"];
                    };
                };
            };
        };
        put?: never;
        /** Saves a new workflow; its graph becomes version 1. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewWorkflow"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Workflow"];
                    };
                };
                /** @description the graph cannot be run: see `problems` */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows a workflow. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Workflow"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Archives a workflow: it is no longer listed and starts no runs; its versions and runs stay. */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description archived */
                204: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        /** Changes the name, the description or the status of a workflow. */
        patch: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["WorkflowChange"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Workflow"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        trace?: never;
    };
    "/api/v1/workflows/{id}/publish": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a version the one that triggers start. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Publish"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Workflow"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{id}/runs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Starts a run.
         * @description With an `Idempotency-Key`, the same request can be repeated: it starts one run, and later answers show that one.
         */
        post: {
            parameters: {
                query?: {
                    /** @description Answer when the run has ended, when one of its steps has answered, or after so many seconds: 0 to 60. */
                    wait?: number;
                };
                header?: {
                    /** @description at most 255 characters; it counts for 30 days */
                    "Idempotency-Key"?: string | null;
                };
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["StartRun"];
                };
            };
            responses: {
                /** @description the same key and body have started this run before */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Run"];
                    };
                };
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Run"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description `idempotency_conflict`: the key was used with another body */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{id}/versions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Lists the versions of a workflow, newest first. */
        get: {
            parameters: {
                query?: {
                    /** @description The `next_cursor` of the list before. */
                    cursor?: number;
                    /** @description How many at most, 1 to 200; 50 without it. */
                    limit?: number;
                };
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["List_VersionSummary"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        /** Saves a graph as the next version. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["NewVersion"];
                };
            };
            responses: {
                201: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Version"];
                    };
                };
                /** @description the graph cannot be run: see `problems` */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description `version_conflict`: somebody saved a version meanwhile */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/{id}/versions/{n}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows a version with its graph. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    id: string;
                    n: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Version"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workflows/validate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Checks a graph without saving it. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Validate"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Validation"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/workspace": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Shows what the workspace is set to. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Workspace"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        /** Changes what the workspace is set to; an owner may. */
        patch: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ChangeWorkspace"];
                };
            };
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Workspace"];
                    };
                };
                /** @description not a number of days */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description not an owner */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        trace?: never;
    };
    "/health/live": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The process lives. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Health"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/health/ready": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The process can do its work: the database answers, and a worker has heard from it lately. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Health"];
                    };
                };
                /** @description the database does not answer */
                500: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description the process cannot work on runs now, or is about to stop */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/hooks/{token}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        /** The same with `PUT`, for triggers that take it. */
        put: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    token: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": unknown;
                };
            };
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TakenDelivery"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                405: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        /**
         * Takes what is sent to a trigger. It is on disk when this answers.
         * @description Any body is taken. A delivery that is sent again, as told by its id, gets the answer of the first one.
         */
        post: {
            parameters: {
                query?: {
                    /** @description answer as the run does, after so many seconds at the most */
                    wait?: number;
                };
                header?: never;
                path: {
                    token: string;
                };
                cookie?: never;
            };
            /** @description anything; JSON, forms and texts are read */
            requestBody: {
                content: {
                    "application/json": unknown;
                };
            };
            responses: {
                /** @description on disk; with an answer of the run, that instead */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TakenDelivery"];
                    };
                };
                /** @description the body is not what it is said to be */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description the signature or password is not right, or too old */
                401: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description no active trigger has this address */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                408: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description the id came before with another body */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                413: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description packed in a way that is not taken */
                415: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description more than the trigger takes in a minute, or too much is held back */
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description the trigger's secret is missing, or too much is waiting */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description the workflow calls itself */
                508: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/hooks/{token}/test": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes what is sent to a trigger of the version that was saved last, published or not. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    token: string;
                };
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": unknown;
                };
            };
            responses: {
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TakenDelivery"];
                    };
                };
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
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
        /** @description Money to be added. */
        AddMoney: {
            /**
             * Format: double
             * @description How much, in dollars.
             */
            amount_usd: number;
            /** @description Why, for people. */
            note?: string;
        };
        /** @description Money to be added to a run. */
        AddRunMoney: {
            /**
             * Format: double
             * @description How much, in dollars.
             */
            amount_usd: number;
            /** @description The step whose own cap is raised; the run's when absent. */
            node_id?: string | null;
            /** @description Why, for people. */
            note?: string;
        };
        /** @description A decision that a step waits for. */
        Approval: {
            /** @description Who may decide: e-mail addresses or roles; anyone who may start runs when empty. */
            approvers: string[];
            /**
             * Format: int32
             * @description The step's attempt.
             */
            attempt: number;
            /** @description What the decision is about. */
            details: unknown;
            /** @description Names exactly what is asked. A decision sends it back, so that nothing else is decided than what was shown. */
            digest: string;
            /** @description Until when the step waits; null: for as long as it takes. */
            expires_at: string | null;
            /** @description The step's node. */
            node_id: string;
            /** @description When the step began. */
            requested_at: string;
            /** @description The run. */
            run_id: string;
            /** @description The question, in a line. */
            title: string;
            /** @description What the run executes. */
            workflow_id: string;
        };
        /** @description Whether this installation has an owner. */
        AuthStatus: {
            /** @description True until the first owner is made with the link that the server printed. */
            setup_required: boolean;
        };
        /** @description What a backfill has come to. */
        Backfilled: {
            /** @description How many had been decided before. */
            already: number;
            /** @description How many slots the range holds. */
            slots: number;
            /** @description How many of them fire now, or wait for their turn. */
            started: number;
        };
        /** @description What stands in the place of a value of more than 256 KiB. */
        BlobReference: {
            /** @description What to ask for. */
            $blob: string;
            /** @description How they begin. */
            preview: string;
            /** @description The hash of these bytes, in hex. */
            sha256: string;
            /**
             * Format: int64
             * @description How many bytes the value has as JSON.
             */
            size: number;
        };
        /** @description A budget, and where it stands in its current period. Money is in dollars. */
        Budget: {
            /** @description When it was made. */
            created_at: string;
            /** @description Its id. */
            id: string;
            /**
             * Format: double
             * @description How much may be spent in each period.
             */
            limit_usd: number;
            /**
             * @description `day`, `week`, `month` or `total`.
             * @example month
             */
            period: string;
            /** @description Since when the current period is; null when it has no beginning. */
            period_from: string | null;
            /**
             * Format: double
             * @description How much is set aside for turns under way.
             */
            reserved_usd: number;
            /** @description When the next period begins; null when there is none. */
            resets_at: string | null;
            /** @description `workspace` or `workflow`. */
            scope: string;
            /**
             * Format: double
             * @description How much was spent in the current one.
             */
            spent_usd: number;
            /** @description Whose midnight counts. */
            time_zone: string;
            /**
             * Format: double
             * @description How much was added to that in the current one.
             */
            topped_up_usd: number;
            /** @description When it was changed last. */
            updated_at: string;
            /**
             * Format: int64
             * @description How many steps wait for it.
             */
            waiting_steps: number;
            /** @description The workflow whose runs it is about, with the runs that these start. */
            workflow_id: string | null;
            /** @description Its name. */
            workflow_name: string | null;
        };
        /** @description What is to change; what is left out stays. */
        ChangeBudget: {
            /**
             * Format: double
             * @description How much may be spent in each period, in dollars.
             */
            limit_usd?: number | null;
        };
        /** @description A file that a step has changed. */
        ChangedFile: {
            /**
             * Format: int64
             * @description How many lines were added; nothing for a binary file.
             */
            added: number | null;
            /** @description Its path in the work tree. */
            path: string;
            /**
             * Format: int64
             * @description How many lines were removed; nothing for a binary file.
             */
            removed: number | null;
        };
        /** @description What is to change; what is left out stays. */
        ChangeSecret: {
            /** @description A new list of hosts. */
            hosts?: string[] | null;
            /**
             * Format: password
             * @description A new value, 8 characters to 64 KiB. It is needed when `hosts` has further ones.
             */
            value?: string | null;
        };
        /** @description What is to change; what is left out stays. */
        ChangeWorkspace: {
            /**
             * Format: int32
             * @description How many days runs are kept after their end, 1 to 3650; null: for ever.
             */
            retention_days?: number | null;
        };
        /** @description The work tree as a step has left it. A run that repeats another one can go on from here. */
        Checkpoint: {
            /** @description When it was left. */
            at: string;
            /**
             * Format: int32
             * @description Its attempt.
             */
            attempt: number;
            /**
             * Format: int64
             * @description How many files the step has changed.
             */
            changed: number;
            /** @description The first 500 of them. */
            changes: components["schemas"]["ChangedFile"][];
            /** @description The commit, on a hidden ref, that holds all files. */
            commit: string;
            /** @description Whether `GET …/checkpoints/{number}/diff` has anything to show. */
            has_diff: boolean;
            /** @description The step. */
            node_id: string;
            /**
             * Format: int32
             * @description From 1, in the order in which steps have left the tree.
             */
            number: number;
        };
        /** @description An attempt to resolve a conflict, or a person's answer. */
        ConflictResolution: {
            accepted: boolean;
            at: string;
            /** @description The rule, the model, or who answered. */
            by: string;
            checks: components["schemas"]["ResolutionCheck"][];
            /** @description What the file holds. */
            content: string | null;
            /** @description `auto`, `model` or `person`. */
            method: string;
            /** @description What a model was asked. */
            prompt: string | null;
            /** @description Which side was taken whole: `ours`, `theirs` or `delete`. */
            take: string | null;
        };
        /** @description A file as one side has it. */
        ConflictSide: {
            /** @description In git's words, for example `100644`. */
            mode: string;
            /**
             * Format: int64
             * @description In bytes.
             */
            size: number;
            /** @description Absent when it is no text in UTF-8, or too large to show. */
            text: string | null;
        };
        /** @description A budget to be made. */
        CreateBudget: {
            /**
             * Format: double
             * @description How much may be spent in each period, in dollars.
             */
            limit_usd: number;
            /**
             * @description `day`, `week`, `month` or `total`.
             * @example month
             */
            period: string;
            /** @description Whose midnight counts, like `Europe/Berlin`; UTC when absent. */
            time_zone?: string | null;
            /** @description The workflow that it is for; the whole workspace when absent. */
            workflow_id?: string | null;
        };
        /** @description A decision. */
        Decide: {
            /** @description What there is to say to it; at most 4000 characters. */
            comment?: string | null;
            /**
             * @description `approved` or `rejected`.
             * @example approved
             */
            decision: string;
            /** @description The digest of what was shown. */
            digest: string;
        };
        /** @description A decision that was made. */
        DecidedApproval: {
            /** @description When they decided. */
            at: string;
            /**
             * Format: int32
             * @description The step's attempt.
             */
            attempt: number;
            /** @description Who has decided, by e-mail address. */
            by: string;
            /** @description What they said to it. */
            comment: string | null;
            /** @description `approved` or `rejected`. */
            decision: string;
            /** @description The step's node. */
            node_id: string;
            /** @description The run. */
            run_id: string;
        };
        /** @description A delivery. */
        Delivery: components["schemas"]["DeliverySummary"] & {
            /** @description `text` or `base64`. */
            body_encoding: string;
            /** @description The beginning of the body as it came; null when it is not kept. */
            body_preview: string | null;
            /** @description Whether there is more of it. */
            body_truncated: boolean;
            /** @description The headers that are kept: without those that prove who sends. */
            headers: Record<string, unknown>;
            /** @description What stood behind the `?`. */
            query: Record<string, unknown> | null;
        };
        /** @description A delivery, without what came. */
        DeliverySummary: {
            /**
             * Format: int64
             * @description How many bytes came.
             */
            body_size: number;
            /** @description When it was decided what becomes of it. */
            decided_at: string | null;
            /** @description What its sender calls it. */
            delivery_id: string | null;
            /**
             * Format: int32
             * @description How many triggers and calls led to it.
             */
            depth: number;
            /** @description Which delivery it repeats. */
            duplicate_of: string | null;
            /** @description `dlv_…` */
            id: string;
            /** @description Whether it came to the address for tests. */
            is_test: boolean;
            /** @description Why. */
            reason: string | null;
            /** @description When it came. */
            received_at: string;
            /** @description Where it came from. */
            remote_addr: string | null;
            /** @description Which delivery a person has had played again. */
            replay_of: string | null;
            /** @description The run that it has started, or is about to. */
            run_id: string | null;
            /** @description The moment of a schedule that it stands for. */
            slot: string | null;
            /** @description `received`, `started`, `filtered`, `duplicate`, `refused`, `held`, `queued`, `skipped` or `failed`. */
            status: string;
            /** @description What it came to: `trg_…` */
            trigger_id: string;
            /**
             * Format: int32
             * @description The version that its run executes.
             */
            version: number | null;
        };
        /** @description A slot to come. */
        Fire: {
            /**
             * @description `gap`: the clock skips the time that was asked for, and it fires at the change; `overlap`: the clock shows this time twice;
             *     `offset_changes`: the clock was changed since the slot before.
             */
            dst: string | null;
            /** @description What the clock on the wall shows then, with its offset. */
            local: string;
            /** @description The instant, in UTC. */
            slot: string;
        };
        /** @description When a schedule fires. */
        Fires: {
            /** @description The next slots, the nearest first. */
            items: components["schemas"]["Fire"][];
            /** @description What becomes of missed slots, of overlaps, and of clock changes, in words. */
            policy: string;
            /** @description The expression in words. */
            words: string;
        };
        /** @description One thing that keeps a graph from being run. */
        GraphProblem: {
            /** @description A stable word, for example `cycle`. */
            code: string;
            /** @description The edge it is about, by its place in the document. */
            edge?: number | null;
            /** @description The field of the node, for example `params.url`. */
            field?: string | null;
            /** @description What is wrong, where, and what to do. */
            message: string;
            /** @description The node it is about. */
            node_id?: string | null;
        };
        /** @description How the process is. */
        Health: {
            /** @description Always `ok`. */
            status: string;
        };
        /**
         * @description What becomes of what was held back.
         * @enum {string}
         */
        Held: "start" | "drop";
        /** @description What came last. */
        LastDelivery: {
            /** @description `dlv_…` */
            id: string;
            /** @description Why. */
            reason: string | null;
            /** @description When it came. */
            received_at: string;
            /** @description The moment of a schedule that it stands for. */
            slot: string | null;
            /** @description What became of it. */
            status: string;
        };
        /** @description The newest run of a workflow. */
        LastRun: {
            /** @description When it was started. */
            created_at: string;
            /** @description `run_…` */
            id: string;
            /** @description Where it stands. */
            status: string;
        };
        /** @description A part of a list. */
        List_Approval: {
            /** @description The items. */
            items: {
                /** @description Who may decide: e-mail addresses or roles; anyone who may start runs when empty. */
                approvers: string[];
                /**
                 * Format: int32
                 * @description The step's attempt.
                 */
                attempt: number;
                /** @description What the decision is about. */
                details: unknown;
                /** @description Names exactly what is asked. A decision sends it back, so that nothing else is decided than what was shown. */
                digest: string;
                /** @description Until when the step waits; null: for as long as it takes. */
                expires_at: string | null;
                /** @description The step's node. */
                node_id: string;
                /** @description When the step began. */
                requested_at: string;
                /** @description The run. */
                run_id: string;
                /** @description The question, in a line. */
                title: string;
                /** @description What the run executes. */
                workflow_id: string;
            }[];
            /** @description What to pass as `cursor` to get the next part; null at the end. */
            next_cursor: string | null;
        };
        /** @description A part of a list. */
        List_Budget: {
            /** @description The items. */
            items: {
                /** @description When it was made. */
                created_at: string;
                /** @description Its id. */
                id: string;
                /**
                 * Format: double
                 * @description How much may be spent in each period.
                 */
                limit_usd: number;
                /**
                 * @description `day`, `week`, `month` or `total`.
                 * @example month
                 */
                period: string;
                /** @description Since when the current period is; null when it has no beginning. */
                period_from: string | null;
                /**
                 * Format: double
                 * @description How much is set aside for turns under way.
                 */
                reserved_usd: number;
                /** @description When the next period begins; null when there is none. */
                resets_at: string | null;
                /** @description `workspace` or `workflow`. */
                scope: string;
                /**
                 * Format: double
                 * @description How much was spent in the current one.
                 */
                spent_usd: number;
                /** @description Whose midnight counts. */
                time_zone: string;
                /**
                 * Format: double
                 * @description How much was added to that in the current one.
                 */
                topped_up_usd: number;
                /** @description When it was changed last. */
                updated_at: string;
                /**
                 * Format: int64
                 * @description How many steps wait for it.
                 */
                waiting_steps: number;
                /** @description The workflow whose runs it is about, with the runs that these start. */
                workflow_id: string | null;
                /** @description Its name. */
                workflow_name: string | null;
            }[];
            /** @description What to pass as `cursor` to get the next part; null at the end. */
            next_cursor: string | null;
        };
        /** @description A part of a list. */
        List_Checkpoint: {
            /** @description The items. */
            items: {
                /** @description When it was left. */
                at: string;
                /**
                 * Format: int32
                 * @description Its attempt.
                 */
                attempt: number;
                /**
                 * Format: int64
                 * @description How many files the step has changed.
                 */
                changed: number;
                /** @description The first 500 of them. */
                changes: components["schemas"]["ChangedFile"][];
                /** @description The commit, on a hidden ref, that holds all files. */
                commit: string;
                /** @description Whether `GET …/checkpoints/{number}/diff` has anything to show. */
                has_diff: boolean;
                /** @description The step. */
                node_id: string;
                /**
                 * Format: int32
                 * @description From 1, in the order in which steps have left the tree.
                 */
                number: number;
            }[];
            /** @description What to pass as `cursor` to get the next part; null at the end. */
            next_cursor: string | null;
        };
        /** @description A part of a list. */
        List_DeliverySummary: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description How many bytes came.
                 */
                body_size: number;
                /** @description When it was decided what becomes of it. */
                decided_at: string | null;
                /** @description What its sender calls it. */
                delivery_id: string | null;
                /**
                 * Format: int32
                 * @description How many triggers and calls led to it.
                 */
                depth: number;
                /** @description Which delivery it repeats. */
                duplicate_of: string | null;
                /** @description `dlv_…` */
                id: string;
                /** @description Whether it came to the address for tests. */
                is_test: boolean;
                /** @description Why. */
                reason: string | null;
                /** @description When it came. */
                received_at: string;
                /** @description Where it came from. */
                remote_addr: string | null;
                /** @description Which delivery a person has had played again. */
                replay_of: string | null;
                /** @description The run that it has started, or is about to. */
                run_id: string | null;
                /** @description The moment of a schedule that it stands for. */
                slot: string | null;
                /** @description `received`, `started`, `filtered`, `duplicate`, `refused`, `held`, `queued`, `skipped` or `failed`. */
                status: string;
                /** @description What it came to: `trg_…` */
                trigger_id: string;
                /**
                 * Format: int32
                 * @description The version that its run executes.
                 */
                version: number | null;
            }[];
            /** @description What to pass as `cursor` to get the next part; null at the end. */
            next_cursor: string | null;
        };
        /** @description A part of a list. */
        List_LogLine: {
            /** @description The items. */
            items: {
                /** @description When it was written. */
                at: string;
                /**
                 * Format: int32
                 * @description The attempt.
                 */
                attempt: number;
                /** @description The item of a map; empty elsewhere. */
                item: string;
                /** @description The node. */
                node_id: string;
                /**
                 * Format: int64
                 * @description Its number in the run's record.
                 */
                seq: number;
                /** @description `stdout`, `stderr` or `system`. */
                stream: string;
                /** @description The line. */
                text: string;
            }[];
            /** @description What to pass as `cursor` to get the next part; null at the end. */
            next_cursor: string | null;
        };
        /** @description A part of a list. */
        List_NodeType: {
            /** @description The items. */
            items: {
                /** @description A parameter that holds a graph of its own, for example `body`. */
                body: string | null;
                /** @description What the node does. */
                description: string;
                /**
                 * @description The section of the palette.
                 * @example data
                 */
                group: string;
                /** @description The name of a Tabler icon. */
                icon: string;
                /**
                 * @description `inline` or `dispatched`.
                 * @example inline
                 */
                lane: string;
                /** @description JSON Schema of the output. */
                output_schema: unknown;
                /** @description JSON Schema of the parameters. */
                params_schema: Record<string, unknown>;
                /** @description The output ports; an edge without a port leaves by the first one. Every kind has the port `error` beside them. */
                ports: string[];
                /** @description An array parameter whose objects' `port` fields are further output ports, for example `cases`. */
                ports_from: string | null;
                /** @description No effect, and the same output for the same input. */
                pure: boolean;
                /** @description Whether its output answers whoever started the run: `{status, headers, body}`. It has no place inside a `body`. */
                responds: boolean;
                /** @description What the palette shows. */
                title: string;
                /** @description Whether it begins a run. */
                trigger: boolean;
                /** @description The name by which documents refer to it, for example `http.request`. */
                type: string;
            }[];
            /** @description What to pass as `cursor` to get the next part; null at the end. */
            next_cursor: string | null;
        };
        /** @description A part of a list. */
        List_RunConflict: {
            /** @description The items. */
            items: {
                base: components["schemas"]["ConflictSide"] | null;
                /** @description The commit that is replayed. */
                commit: string;
                created_at: string;
                id: string;
                /**
                 * @description `content`, `add_add`, `rename`, `modify_delete`, `rename_delete`, `binary`, `line_endings`, `mode`, `submodule`, `symlink`
                 *     or `directory_file`.
                 */
                kind: string;
                /** @description The step that met it. */
                node_id: string;
                ours: components["schemas"]["ConflictSide"] | null;
                path: string;
                /** @description What was tried, oldest first. */
                resolutions: components["schemas"]["ConflictResolution"][];
                /** @description Whether the last of the resolutions was taken. */
                resolved: boolean;
                theirs: components["schemas"]["ConflictSide"] | null;
            }[];
            /** @description What to pass as `cursor` to get the next part; null at the end. */
            next_cursor: string | null;
        };
        /** @description A part of a list. */
        List_RunSummary: {
            /** @description The items. */
            items: {
                /** @description When someone asked to cancel it. */
                cancel_requested_at: string | null;
                /** @description When it was accepted. */
                created_at: string;
                /** @description What came to a trigger and began it: `dlv_…` */
                delivery_id: string | null;
                /**
                 * Format: int32
                 * @description How many runs stand above it.
                 */
                depth: number;
                error: components["schemas"]["RunError"] | null;
                /** @description When it ended. */
                finished_at: string | null;
                /** @description `run_…` */
                id: string;
                /** @description The run that this one repeats. */
                origin_run_id: string | null;
                parent: components["schemas"]["RunParent"] | null;
                /** @description Since when it is paused. */
                paused_at: string | null;
                /**
                 * @description How urgent it is: `high`, `normal` or `low`.
                 * @example normal
                 */
                priority: string;
                /** @description When a worker began it. */
                started_at: string | null;
                /** @description `pending`, `running`, `waiting`, `completed`, `failed` or `cancelled`. */
                status: string;
                /** @description What began it: `manual`, `api`, `webhook`, `github`, `schedule`, `step` or `failure`. */
                trigger: string;
                /** @description What that came to: `trg_…` */
                trigger_id: string | null;
                /** @description What the trigger is called: the name of its node, or its id. */
                trigger_name: string | null;
                /**
                 * Format: int32
                 * @description Which version is executed.
                 */
                version: number;
                /** @description `wf_…` */
                workflow_id: string;
                /** @description The workflow's name. */
                workflow_name: string;
            }[];
            /** @description What to pass as `cursor` to get the next part; null at the end. */
            next_cursor: string | null;
        };
        /** @description A part of a list. */
        List_Secret: {
            /** @description The items. */
            items: {
                /** @description When it was saved first. */
                created_at: string;
                /** @description The hosts that its value may be sent to, like `api.example.org` or `*.example.org`; any when empty. */
                hosts: string[];
                /** @description What workflows call it: `{{ secrets.NAME }}`. */
                name: string;
                /** @description When it was changed last. */
                updated_at: string;
                /** @description The workflows whose newest version names it, by their names; archived ones are left out. */
                used_by: components["schemas"]["UsedBy"][];
            }[];
            /** @description What to pass as `cursor` to get the next part; null at the end. */
            next_cursor: string | null;
        };
        /** @description A part of a list. */
        List_Step: {
            /** @description The items. */
            items: {
                /**
                 * Format: int32
                 * @description Which attempt, from 1.
                 */
                attempt: number;
                /**
                 * @description What it waits for, or has waited for, beside the time: `{kind: "signal", name}`, `{kind: "approval", title, details,
                 *     approvers}`, or `{kind: "children", total, source, max_parallel, on_item_error, open, ended}`.
                 */
                awaiting: unknown;
                /** @description What its effects carry as `Idempotency-Key`. */
                effect_key: string;
                error: components["schemas"]["StepError"] | null;
                /** @description When it ended. */
                finished_at: string | null;
                /** @description The resolved parameters, secrets masked. */
                input: unknown;
                /** @description The item of a map; empty elsewhere. */
                item: string;
                /** @description Whether it was taken over from the run that this one repeats, instead of being executed. */
                kept: boolean;
                /** @description The node. */
                node_id: string;
                /** @description What successors see. */
                output: unknown;
                /** @description The port by which it left. */
                port: string | null;
                /**
                 * Format: int32
                 * @description How many attempts came before it.
                 */
                retry_count: number;
                /** @description When it began. */
                started_at: string | null;
                /** @description `running`, `waiting`, `completed`, `failed`, `skipped` or `cancelled`. */
                status: string;
                /** @description When it is woken, or when the next attempt begins. */
                wake_at: string | null;
            }[];
            /** @description What to pass as `cursor` to get the next part; null at the end. */
            next_cursor: string | null;
        };
        /** @description A part of a list. */
        List_TopUp: {
            /** @description The items. */
            items: {
                /**
                 * Format: double
                 * @description How much, in dollars.
                 */
                amount_usd: number;
                /** @description When. */
                at: string;
                /** @description The e-mail address of who has added it. */
                by: string | null;
                /** @description Its id. */
                id: string;
                /** @description The step that it was for; null for the whole. */
                node_id: string | null;
                /** @description Why, for people. */
                note: string;
            }[];
            /** @description What to pass as `cursor` to get the next part; null at the end. */
            next_cursor: string | null;
        };
        /** @description A part of a list. */
        List_Trigger: {
            /** @description The items. */
            items: {
                /**
                 * Format: int64
                 * @description How many deliveries are held back, until it is resumed or somebody lets them go.
                 */
                held: number;
                /** @description `trg_…` */
                id: string;
                /** @description `webhook`, `github` or `schedule`. */
                kind: string;
                last_delivery: components["schemas"]["LastDelivery"] | null;
                /** @description Whether a schedule should have fired by now. */
                late: boolean;
                /** @description When a schedule fires next. */
                next_fire_at: string | null;
                /** @description Its node. */
                node_id: string;
                /** @description What its author calls the node; its id when that is nothing. */
                node_name: string;
                /** @description What its author asks for. */
                params: Record<string, unknown>;
                /** @description Since when what comes is held back. */
                paused_at: string | null;
                /** @description `draft`, `active` or `stopped`. */
                status: string;
                /** @description The address of the version that was saved last. */
                test_url: string | null;
                /** @description Its address; null for a schedule, and for those who may only look: whoever knows it may call. */
                url: string | null;
                /**
                 * Format: int32
                 * @description The version that its runs execute.
                 */
                version: number;
                /** @description What it begins runs of: `wf_…` */
                workflow_id: string;
                /** @description The workflow's name. */
                workflow_name: string;
            }[];
            /** @description What to pass as `cursor` to get the next part; null at the end. */
            next_cursor: string | null;
        };
        /** @description A part of a list. */
        List_VersionSummary: {
            /** @description The items. */
            items: {
                /** @description Equal for equal graphs. */
                content_hash: string;
                /** @description When it was saved. */
                created_at: string;
                /** @description `usr_…` of who saved it; null for examples. */
                created_by: string | null;
                /** @description What its author says about it. */
                note: string;
                /**
                 * Format: int32
                 * @description The number, from 1.
                 */
                version: number;
            }[];
            /** @description What to pass as `cursor` to get the next part; null at the end. */
            next_cursor: string | null;
        };
        /** @description A part of a list. */
        List_Workflow: {
            /** @description The items. */
            items: {
                /** @description When it was made. */
                created_at: string;
                /** @description What it is for. */
                description: string;
                /** @description `wf_…` */
                id: string;
                last_run: components["schemas"]["LastRun"] | null;
                /** @description The name. */
                name: string;
                /**
                 * Format: int32
                 * @description The version that triggers start.
                 */
                published_version: number | null;
                /** @description `draft`, `active` or `archived`. */
                status: string;
                /** @description When it changed last. */
                updated_at: string;
                /**
                 * Format: int32
                 * @description The newest version.
                 */
                version: number;
            }[];
            /** @description What to pass as `cursor` to get the next part; null at the end. */
            next_cursor: string | null;
        };
        /** @description Who signs in. */
        Login: {
            /** @description The e-mail address. */
            email: string;
            /** @description The password. */
            password: string;
        };
        /** @description A log line of a step. */
        LogLine: {
            /** @description When it was written. */
            at: string;
            /**
             * Format: int32
             * @description The attempt.
             */
            attempt: number;
            /** @description The item of a map; empty elsewhere. */
            item: string;
            /** @description The node. */
            node_id: string;
            /**
             * Format: int64
             * @description Its number in the run's record.
             */
            seq: number;
            /** @description `stdout`, `stderr` or `system`. */
            stream: string;
            /** @description The line. */
            text: string;
        };
        /** @description A version to be saved. */
        NewVersion: {
            /**
             * Format: int32
             * @description The version that the author began with; refused when it is not the newest any more.
             */
            base_version: number;
            /** @description Nodes, edges and settings. */
            graph: Record<string, unknown>;
            /** @description What changed. */
            note?: string;
        };
        /** @description A workflow to be saved. */
        NewWorkflow: {
            /** @description What it is for. */
            description?: string;
            /** @description Nodes, edges and settings. */
            graph: Record<string, unknown>;
            /** @description The name. */
            name: string;
        };
        /** @description A kind of node. */
        NodeType: {
            /** @description A parameter that holds a graph of its own, for example `body`. */
            body: string | null;
            /** @description What the node does. */
            description: string;
            /**
             * @description The section of the palette.
             * @example data
             */
            group: string;
            /** @description The name of a Tabler icon. */
            icon: string;
            /**
             * @description `inline` or `dispatched`.
             * @example inline
             */
            lane: string;
            /** @description JSON Schema of the output. */
            output_schema: unknown;
            /** @description JSON Schema of the parameters. */
            params_schema: Record<string, unknown>;
            /** @description The output ports; an edge without a port leaves by the first one. Every kind has the port `error` beside them. */
            ports: string[];
            /** @description An array parameter whose objects' `port` fields are further output ports, for example `cases`. */
            ports_from: string | null;
            /** @description No effect, and the same output for the same input. */
            pure: boolean;
            /** @description Whether its output answers whoever started the run: `{status, headers, body}`. It has no place inside a `body`. */
            responds: boolean;
            /** @description What the palette shows. */
            title: string;
            /** @description Whether it begins a run. */
            trigger: boolean;
            /** @description The name by which documents refer to it, for example `http.request`. */
            type: string;
        };
        /** @description A schedule to be looked at: the parameters of `trigger.schedule`. */
        Preview: Record<string, unknown> & {
            /**
             * Format: int64
             * @description How many fires are wanted, 1 to 100; 10 without it.
             */
            count?: number | null;
            /** @description The cron expression. */
            cron: string;
        };
        /** @description What went wrong, as RFC 9457 has it. */
        Problem: {
            /** @description A stable word for programs. */
            code: string;
            /** @description What happened, where, and what to do. */
            detail: string;
            /** @description All that is wrong with a graph. */
            problems?: components["schemas"]["GraphProblem"][];
            /**
             * Format: int32
             * @description The status code.
             */
            status: number;
            /** @description The status code in words. */
            title: string;
            /** @description Where the kind of problem is explained. */
            type: string;
        };
        /** @description Who is signed in. */
        ProfileAnswer: {
            /** @description `owner`, `admin`, `editor` or `viewer`. */
            role: string;
            /** @description The person. */
            user: components["schemas"]["ProfileUser"];
            /** @description The workspace that the token is for. */
            workspace: components["schemas"]["ProfileWorkspace"];
        };
        /** @description The person. */
        ProfileUser: {
            /** @description The e-mail address. */
            email: string;
            /** @description `usr_…` */
            id: string;
        };
        /** @description The workspace. */
        ProfileWorkspace: {
            /** @description `ws_…` */
            id: string;
            /** @description The name. */
            name: string;
        };
        /** @description Which version is to be published. */
        Publish: {
            /**
             * Format: int32
             * @description Its number.
             */
            version: number;
        };
        /** @description A range of time. */
        Range: {
            /** @description Its beginning, RFC 3339. */
            from: string;
            /** @description Its end, RFC 3339; not in the future. */
            to: string;
        };
        /** @description The reason by its kind. `none` is a fault of FlowForge: nothing moves the run. */
        ReasonFields: {
            /** Format: int64 */
            heartbeat_age_ms: number;
            /** @enum {string} */
            kind: "owned";
            worker: string;
        } | {
            /** @enum {string} */
            kind: "queued";
            /** Format: int64 */
            position: number;
        } | {
            key: string;
            /** @enum {string} */
            kind: "blocked";
            /** Format: int32 */
            limit: number;
            /** Format: int64 */
            position: number;
        } | {
            /** @enum {string} */
            kind: "timer";
            until: string;
        } | {
            approvers: string[];
            /** @enum {string} */
            kind: "approval";
            node_id: string;
        } | {
            /** @enum {string} */
            kind: "signal";
            name: string;
            node_id: string;
        } | {
            /** @enum {string} */
            kind: "children";
            node_id: string;
            /** Format: int64 */
            open: number;
            /** Format: int64 */
            total: number;
        } | {
            /** @description `step`, `run`, or the id of a budget. */
            budget: string;
            /** @enum {string} */
            kind: "funds";
            /** Format: double */
            limit_usd: number;
            node_id: string;
            /** Format: double */
            reserved_usd: number;
            resets_at: string | null;
            /** @description Whose money it is, in words. */
            scope: string;
            /** Format: double */
            spent_usd: number;
        } | {
            /** @enum {string} */
            kind: "resolutions";
            node_id: string;
            /** Format: int64 */
            open: number;
        } | {
            /** @enum {string} */
            kind: "paused";
            since: string;
        } | {
            /** @enum {string} */
            kind: "step_lease";
            node_id: string;
            worker: string | null;
        } | {
            key: string;
            /** @enum {string} */
            kind: "step_blocked";
            /** Format: int32 */
            limit: number;
            node_id: string;
            /** Format: int64 */
            position: number;
        } | {
            /** @enum {string} */
            kind: "inbox";
        } | {
            /** @enum {string} */
            kind: "recovering";
        } | {
            /** @enum {string} */
            kind: "finished";
        } | {
            /** @enum {string} */
            kind: "none";
        };
        /** @description What making a run again would do. */
        RerunPlan: {
            /** @description The nodes whose effects may happen once more. */
            effects: string[];
            /** @description Its steps, each after those that come before it. */
            steps: components["schemas"]["RerunStep"][];
            /**
             * Format: int32
             * @description The version that would be executed.
             */
            version: number;
        };
        /** @description How a run is made again. Without anything: as a whole, on its own version, with its own input. */
        RerunRun: {
            /** @description Where to begin: a node, or `failed` for everything that did not complete. What is before it is kept as far as possible. */
            from_node?: string | null;
            /** @description Any JSON; what the run was given when absent. */
            input?: unknown;
            /**
             * Format: int32
             * @description Which version; that of the run when absent.
             */
            version?: number | null;
        };
        /** @description What would become of a step. */
        RerunStep: {
            /**
             * @description `keep`: its output is taken over, or it is skipped as before; `run_again`; `cannot_keep`: it runs again although it
             *     completed before the place where the new run begins.
             * @example keep
             */
            decision: string;
            /** @description The node. */
            node_id: string;
            /** @description Why, for a person. */
            reason: string;
            /** @description Whether it acts on the world, has done so before, and may do so again. */
            repeats_effect: boolean;
        };
        /** @description A check of a resolution. */
        ResolutionCheck: {
            /** @description For example `markers`, `syntax`, `secrets`, `danger`, `size` or `tests`. */
            check: string;
            message: string;
            passed: boolean;
        };
        /** @description An answer: one of the two. */
        ResolveConflict: {
            /** @description What the file is to hold. */
            content?: string | null;
            /** @description One side, whole: `ours`, `theirs`, or `delete`. */
            take?: string | null;
        };
        /** @description A trigger that goes on. */
        ResumedTrigger: components["schemas"]["Trigger"] & {
            /**
             * Format: int64
             * @description How many deliveries were held back.
             */
            held: number;
        };
        /** @description What becomes of what was held back. */
        ResumeTrigger: {
            /** @description `start` begins its runs, `drop` leaves it out. */
            held?: components["schemas"]["Held"];
        };
        /** @description A run. */
        Run: components["schemas"]["RunSummary"] & {
            /** @description What it was given. */
            input: unknown;
            /** @description What it put out; null until it has completed. */
            output: unknown;
            /** @description What a step has answered whoever started it: `{status, headers, body}`; null until one has. */
            response: unknown;
        };
        /** @description What a run has spent, with the runs that its steps have started. Money is in dollars. */
        RunBudget: {
            /**
             * Format: double
             * @description What the settings of its workflow allow; null when they name no limit.
             */
            budget_usd: number | null;
            /**
             * Format: double
             * @description How much is set aside for turns under way.
             */
            reserved_usd: number;
            /**
             * Format: double
             * @description How much was spent.
             */
            spent_usd: number;
            /** @description The steps that have paid for turns, or whose runs have, in the order in which they began to. */
            steps: components["schemas"]["StepCost"][];
            /** @description What was added, the newest first. */
            top_ups: components["schemas"]["TopUp"][];
            /**
             * Format: double
             * @description How much was added to that.
             */
            topped_up_usd: number;
        };
        /** @description A file of a commit that cannot be brought together by itself. */
        RunConflict: {
            base: components["schemas"]["ConflictSide"] | null;
            /** @description The commit that is replayed. */
            commit: string;
            created_at: string;
            id: string;
            /**
             * @description `content`, `add_add`, `rename`, `modify_delete`, `rename_delete`, `binary`, `line_endings`, `mode`, `submodule`, `symlink`
             *     or `directory_file`.
             */
            kind: string;
            /** @description The step that met it. */
            node_id: string;
            ours: components["schemas"]["ConflictSide"] | null;
            path: string;
            /** @description What was tried, oldest first. */
            resolutions: components["schemas"]["ConflictResolution"][];
            /** @description Whether the last of the resolutions was taken. */
            resolved: boolean;
            theirs: components["schemas"]["ConflictSide"] | null;
        };
        /** @description Why a run failed. */
        RunError: {
            /** @description The code of the step's error, or `RUN_TIMEOUT`. */
            code: string;
            /** @description What happened. */
            message: string;
            /** @description The step that failed. */
            node_id?: string | null;
        };
        /** @description The step that a run was started for. */
        RunParent: {
            /**
             * Format: int32
             * @description Its attempt.
             */
            attempt: number;
            /**
             * Format: int32
             * @description Which item of its list, from 0.
             */
            index: number;
            /** @description Its node. */
            node_id: string;
            /** @description Its run. */
            run_id: string;
        };
        /** @description Why a run stands where it stands, in words and in fields. Positions count from 1. */
        RunReason: components["schemas"]["ReasonFields"] & {
            /** @description For a person. */
            message: string;
        };
        /** @description A run, without its values. */
        RunSummary: {
            /** @description When someone asked to cancel it. */
            cancel_requested_at: string | null;
            /** @description When it was accepted. */
            created_at: string;
            /** @description What came to a trigger and began it: `dlv_…` */
            delivery_id: string | null;
            /**
             * Format: int32
             * @description How many runs stand above it.
             */
            depth: number;
            error: components["schemas"]["RunError"] | null;
            /** @description When it ended. */
            finished_at: string | null;
            /** @description `run_…` */
            id: string;
            /** @description The run that this one repeats. */
            origin_run_id: string | null;
            parent: components["schemas"]["RunParent"] | null;
            /** @description Since when it is paused. */
            paused_at: string | null;
            /**
             * @description How urgent it is: `high`, `normal` or `low`.
             * @example normal
             */
            priority: string;
            /** @description When a worker began it. */
            started_at: string | null;
            /** @description `pending`, `running`, `waiting`, `completed`, `failed` or `cancelled`. */
            status: string;
            /** @description What began it: `manual`, `api`, `webhook`, `github`, `schedule`, `step` or `failure`. */
            trigger: string;
            /** @description What that came to: `trg_…` */
            trigger_id: string | null;
            /** @description What the trigger is called: the name of its node, or its id. */
            trigger_name: string | null;
            /**
             * Format: int32
             * @description Which version is executed.
             */
            version: number;
            /** @description `wf_…` */
            workflow_id: string;
            /** @description The workflow's name. */
            workflow_name: string;
        };
        /** @description A secret to be saved. */
        SaveSecret: {
            /** @description The hosts that it may be sent to; any when empty. */
            hosts?: string[];
            /** @description A letter or `_`, then letters, digits and `_`; 64 characters at most. */
            name: string;
            /**
             * Format: password
             * @description The value, 8 characters to 64 KiB.
             */
            value: string;
        };
        /** @description A secret, without its value. */
        Secret: {
            /** @description When it was saved first. */
            created_at: string;
            /** @description The hosts that its value may be sent to, like `api.example.org` or `*.example.org`; any when empty. */
            hosts: string[];
            /** @description What workflows call it: `{{ secrets.NAME }}`. */
            name: string;
            /** @description When it was changed last. */
            updated_at: string;
            /** @description The workflows whose newest version names it, by their names; archived ones are left out. */
            used_by: components["schemas"]["UsedBy"][];
        };
        /** @description What has become of a secret that was deleted. */
        SecretDeleted: {
            /** @description The workflows whose newest or published version still names it. */
            used_by: components["schemas"]["UsedBy"][];
            /** @description What will fail now; null when nothing does. */
            warning: string | null;
        };
        /** @description The first owner. */
        Setup: {
            /** @description The owner's e-mail address. */
            email: string;
            /** @description 12 to 128 characters. */
            password: string;
            /** @description The token of the printed link. */
            token: string;
            /** @description The name of the first workspace. */
            workspace: string;
        };
        /** @description What a run begins with. */
        StartRun: {
            /** @description Any JSON; expressions see it as `trigger`. */
            input?: unknown;
            /** @description How urgent it is: `high`, `normal` or `low`; without it as the workflow's settings say. */
            priority?: string | null;
            /**
             * Format: int32
             * @description Which version; without it the published one, or the newest when none is published.
             */
            version?: number | null;
        };
        /** @description An attempt of a step. A failed one with a `wake_at` is followed by another. */
        Step: {
            /**
             * Format: int32
             * @description Which attempt, from 1.
             */
            attempt: number;
            /**
             * @description What it waits for, or has waited for, beside the time: `{kind: "signal", name}`, `{kind: "approval", title, details,
             *     approvers}`, or `{kind: "children", total, source, max_parallel, on_item_error, open, ended}`.
             */
            awaiting: unknown;
            /** @description What its effects carry as `Idempotency-Key`. */
            effect_key: string;
            error: components["schemas"]["StepError"] | null;
            /** @description When it ended. */
            finished_at: string | null;
            /** @description The resolved parameters, secrets masked. */
            input: unknown;
            /** @description The item of a map; empty elsewhere. */
            item: string;
            /** @description Whether it was taken over from the run that this one repeats, instead of being executed. */
            kept: boolean;
            /** @description The node. */
            node_id: string;
            /** @description What successors see. */
            output: unknown;
            /** @description The port by which it left. */
            port: string | null;
            /**
             * Format: int32
             * @description How many attempts came before it.
             */
            retry_count: number;
            /** @description When it began. */
            started_at: string | null;
            /** @description `running`, `waiting`, `completed`, `failed`, `skipped` or `cancelled`. */
            status: string;
            /** @description When it is woken, or when the next attempt begins. */
            wake_at: string | null;
        };
        /** @description What a step has spent, with the runs that it has started. Money is in dollars. */
        StepCost: {
            /**
             * Format: double
             * @description How much was spent.
             */
            cost_usd: number;
            /**
             * Format: double
             * @description How much of that nobody has said for certain: turns that were cut short count in full.
             */
            estimated_usd: number;
            /** @description The node. */
            node_id: string;
            /**
             * Format: double
             * @description How much is set aside for turns under way.
             */
            reserved_usd: number;
            /** @description What was read and written. */
            tokens: components["schemas"]["UsageTokens"];
            /**
             * Format: double
             * @description How much was added to what its author allows it.
             */
            topped_up_usd: number;
            /**
             * Format: int64
             * @description How many turns.
             */
            turns: number;
        };
        /** @description Why an attempt failed. */
        StepError: {
            /** @description A stable word in capitals. */
            code: string;
            /** @description What else is known. */
            details?: unknown;
            /** @description What happened, where, and what to do. */
            message: string;
            /** @description Whether the same call may succeed later. */
            retryable: boolean;
        };
        /** @description What became of a delivery. */
        TakenDelivery: {
            /** @description `dlv_…`: the first one when the same came before. */
            delivery_id: string;
            /** @description The run that it starts, if it does. */
            run_id: string | null;
            /** @description `received`, `started`, `filtered`, `held`, … */
            status: string;
        };
        /** @description What became of an event. */
        TakenEvents: {
            /** @description One for each trigger whose secret has signed it. */
            deliveries: components["schemas"]["TakenDelivery"][];
        };
        /** @description An access token. The refresh token comes as an HttpOnly cookie. */
        TokenAnswer: {
            /** @description To be sent as `Authorization: Bearer …`. */
            access_token: string;
            /**
             * Format: int64
             * @description For how many seconds it is good.
             */
            expires_in: number;
            /** @description Always `Bearer`. */
            token_type: string;
        };
        /** @description Money that was added. */
        TopUp: {
            /**
             * Format: double
             * @description How much, in dollars.
             */
            amount_usd: number;
            /** @description When. */
            at: string;
            /** @description The e-mail address of who has added it. */
            by: string | null;
            /** @description Its id. */
            id: string;
            /** @description The step that it was for; null for the whole. */
            node_id: string | null;
            /** @description Why, for people. */
            note: string;
        };
        /** @description A trigger. */
        Trigger: {
            /**
             * Format: int64
             * @description How many deliveries are held back, until it is resumed or somebody lets them go.
             */
            held: number;
            /** @description `trg_…` */
            id: string;
            /** @description `webhook`, `github` or `schedule`. */
            kind: string;
            last_delivery: components["schemas"]["LastDelivery"] | null;
            /** @description Whether a schedule should have fired by now. */
            late: boolean;
            /** @description When a schedule fires next. */
            next_fire_at: string | null;
            /** @description Its node. */
            node_id: string;
            /** @description What its author calls the node; its id when that is nothing. */
            node_name: string;
            /** @description What its author asks for. */
            params: Record<string, unknown>;
            /** @description Since when what comes is held back. */
            paused_at: string | null;
            /** @description `draft`, `active` or `stopped`. */
            status: string;
            /** @description The address of the version that was saved last. */
            test_url: string | null;
            /** @description Its address; null for a schedule, and for those who may only look: whoever knows it may call. */
            url: string | null;
            /**
             * Format: int32
             * @description The version that its runs execute.
             */
            version: number;
            /** @description What it begins runs of: `wf_…` */
            workflow_id: string;
            /** @description The workflow's name. */
            workflow_name: string;
        };
        /** @description What was spent. */
        Usage: {
            /** @description From when on. */
            from: string;
            /** @description At most 500 lines, the dearest first; the days in their order. */
            items: components["schemas"]["UsageLine"][];
            /** @description Until when. */
            to: string;
            /** @description Everything, also what has no line. */
            total: components["schemas"]["UsageLine"];
        };
        /** @description Turns that were added up. Money is in dollars. */
        UsageLine: {
            /**
             * Format: double
             * @description What they have cost.
             */
            cost_usd: number;
            /**
             * Format: double
             * @description How much of that nobody has said for certain: turns that were cut short count in full.
             */
            estimated_usd: number;
            /** @description What they have in common: an id, `workflow/node`, a model's name, or a day like `2026-11-20`; empty when nobody knows. */
            key: string;
            /** @description The same for people: a name or an e-mail address. */
            name: string;
            /**
             * Format: double
             * @description What is set aside for those that are under way.
             */
            reserved_usd: number;
            /** @description What was read and written. */
            tokens: components["schemas"]["UsageTokens"];
            /**
             * Format: int64
             * @description How many turns.
             */
            turns: number;
        };
        /** @description What a model has read and written. */
        UsageTokens: {
            /**
             * Format: int64
             * @description Read from the provider's cache.
             */
            cache_read: number;
            /**
             * Format: int64
             * @description Put into the provider's cache.
             */
            cache_write: number;
            /**
             * Format: int64
             * @description Read at the full price.
             */
            input: number;
            /**
             * Format: int64
             * @description Written.
             */
            output: number;
        };
        /** @description A workflow that names a secret. */
        UsedBy: {
            /** @description The workflow. */
            id: string;
            /** @description Its name. */
            name: string;
        };
        /** @description A graph to be checked. */
        Validate: {
            /** @description Nodes, edges and settings. */
            graph: Record<string, unknown>;
        };
        /** @description Whether a graph can be run. */
        Validation: {
            /** @description All that keeps it from being run. */
            problems: components["schemas"]["GraphProblem"][];
            /** @description Whether it can. */
            valid: boolean;
        };
        /** @description A version. */
        Version: components["schemas"]["VersionSummary"] & {
            /** @description Nodes, edges and settings. */
            graph: Record<string, unknown>;
        };
        /** @description A version, without its graph. */
        VersionSummary: {
            /** @description Equal for equal graphs. */
            content_hash: string;
            /** @description When it was saved. */
            created_at: string;
            /** @description `usr_…` of who saved it; null for examples. */
            created_by: string | null;
            /** @description What its author says about it. */
            note: string;
            /**
             * Format: int32
             * @description The number, from 1.
             */
            version: number;
        };
        /** @description Where a run stands, and why. */
        Why: {
            /** @description Why. */
            reason: components["schemas"]["RunReason"];
            /** @description `pending`, `running`, `waiting`, `completed`, `failed` or `cancelled`. */
            status: string;
        };
        /** @description A workflow, without its graphs. */
        Workflow: {
            /** @description When it was made. */
            created_at: string;
            /** @description What it is for. */
            description: string;
            /** @description `wf_…` */
            id: string;
            last_run: components["schemas"]["LastRun"] | null;
            /** @description The name. */
            name: string;
            /**
             * Format: int32
             * @description The version that triggers start.
             */
            published_version: number | null;
            /** @description `draft`, `active` or `archived`. */
            status: string;
            /** @description When it changed last. */
            updated_at: string;
            /**
             * Format: int32
             * @description The newest version.
             */
            version: number;
        };
        /** @description What is to change; what is absent stays. */
        WorkflowChange: {
            /** @description A new description. */
            description?: string | null;
            /** @description A new name. */
            name?: string | null;
            /** @description `draft`, `active` or `archived`. */
            status?: string | null;
        };
        /** @description A workspace. */
        Workspace: {
            /**
             * Format: int32
             * @description How many days runs are kept after their end; null: for ever.
             */
            retention_days: number | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
