//! The tables as diesel sees them.
//!
//! Written by hand beside the migrations, in their order of columns; the repositories' tests read and
//! write every table, so that a difference does not go unseen.

diesel::table! {
    teams (id) {
        id -> Text,
        name -> Text,
        is_active -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
        scope -> Text,
        shield -> Text,
        version -> BigInt,
        rate_limit -> Nullable<BigInt>,
        token_limit -> Nullable<BigInt>,
        max_concurrent -> Nullable<BigInt>,
        content_ttl_seconds -> Nullable<BigInt>,
        throttle -> Nullable<Text>,
        raw_relay -> Bool,
    }
}

diesel::table! {
    keys (id) {
        id -> Text,
        team_id -> Nullable<Text>,
        level -> Text,
        name -> Text,
        token_last_four -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        role -> Nullable<Text>,
        scope -> Text,
        parent_id -> Nullable<Text>,
        form -> Text,
        digest -> Nullable<Text>,
        signing -> Text,
        signing_generation -> BigInt,
        is_disabled -> Bool,
        retires_at -> Nullable<BigInt>,
        replaced_by -> Nullable<Text>,
        max_requests -> Nullable<BigInt>,
        is_bound -> Bool,
        last_used_at -> Nullable<BigInt>,
        created_by -> Text,
        updated_at -> BigInt,
        version -> BigInt,
        rate_limit -> Nullable<BigInt>,
        token_limit -> Nullable<BigInt>,
        max_concurrent -> Nullable<BigInt>,
    }
}

diesel::table! {
    users (id) {
        id -> Text,
        email -> Text,
        name -> Text,
        password_hash -> Nullable<Text>,
        oidc_issuer -> Nullable<Text>,
        oidc_subject -> Nullable<Text>,
        role -> Text,
        team_id -> Nullable<Text>,
        is_active -> Bool,
        last_login_at -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    user_sessions (id) {
        id -> Text,
        user_id -> Text,
        csrf_digest -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        last_seen_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
        address -> Nullable<Text>,
        user_agent -> Nullable<Text>,
    }
}

diesel::table! {
    service_providers (id) {
        id -> Text,
        name -> Text,
        kind -> Text,
        endpoint -> Text,
        weight -> BigInt,
        rate_limit -> Nullable<BigInt>,
        allow_private_network -> Bool,
        is_active -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
        version -> BigInt,
        options -> Text,
        token_limit -> Nullable<BigInt>,
        max_concurrent -> Nullable<BigInt>,
    }
}

diesel::table! {
    provider_credentials (id) {
        id -> Text,
        provider_id -> Text,
        name -> Text,
        api_key_sealed -> Text,
        generation -> BigInt,
        last_four -> Text,
        fingerprint -> Text,
        weight -> BigInt,
        is_active -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
        version -> BigInt,
        rate_limit -> Nullable<BigInt>,
    }
}

diesel::table! {
    model_routes (id) {
        id -> Text,
        model_alias -> Text,
        provider_id -> Text,
        real_model_name -> Text,
        cost_multiplier_ppm -> BigInt,
        rate_limit -> Nullable<BigInt>,
        region_weights -> Nullable<Text>,
        is_active -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
        weight -> Nullable<BigInt>,
        version -> BigInt,
        tier -> BigInt,
        fit -> Text,
        token_limit -> Nullable<BigInt>,
        max_concurrent -> Nullable<BigInt>,
        capabilities -> Text,
    }
}

diesel::table! {
    routing_rules (id) {
        id -> Text,
        model_alias -> Text,
        team_id -> Nullable<Text>,
        stands_for -> Nullable<Text>,
        policy -> Text,
        has_affinity -> Bool,
        fallbacks -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        version -> BigInt,
        conduct -> Text,
    }
}

diesel::table! {
    usage_contexts (id) {
        id -> Text,
        key_id -> Text,
        team_id -> Nullable<Text>,
        operation -> Text,
        model_alias -> Text,
        provider_id -> Text,
        provider_name -> Text,
        real_model_name -> Text,
        is_stream -> Bool,
        status -> BigInt,
    }
}

diesel::table! {
    usage_attempts (attempt_id) {
        attempt_id -> Text,
        request_id -> Text,
        attempt_number -> BigInt,
        context_id -> Text,
        outcome -> Text,
        status -> BigInt,
        quantities -> Text,
        source -> Text,
        doubt -> Nullable<Text>,
        raw_usage -> Nullable<Text>,
        provider_request_id -> Nullable<Text>,
        started_at -> BigInt,
        first_token_us -> Nullable<BigInt>,
        duration_us -> BigInt,
        cost_nano_usd -> BigInt,
        pricing -> Text,
        price_rule -> Nullable<Text>,
        service_tier -> Text,
        bearer -> Text,
        region -> Nullable<Text>,
        multiplier_ppm -> Nullable<BigInt>,
        end_user -> Nullable<Text>,
        tags -> Nullable<Text>,
        trace -> Nullable<Text>,
    }
}

diesel::table! {
    usage_archives (seq) {
        seq -> BigInt,
        file -> Text,
        attempts -> BigInt,
        first_attempt_id -> Text,
        last_attempt_id -> Text,
        first_started_at -> BigInt,
        last_started_at -> BigInt,
        sha256 -> Text,
        archived_at -> BigInt,
    }
}

diesel::table! {
    usage_balances (account) {
        account -> Text,
        amount -> BigInt,
    }
}

diesel::table! {
    usage_hours (hour, context_id, measure) {
        hour -> BigInt,
        context_id -> Text,
        measure -> Text,
        amount -> BigInt,
    }
}

diesel::table! {
    usage_days (day, context_id, measure) {
        day -> BigInt,
        context_id -> Text,
        measure -> Text,
        amount -> BigInt,
    }
}

diesel::table! {
    usage_weeks (week, context_id, measure) {
        week -> BigInt,
        context_id -> Text,
        measure -> Text,
        amount -> BigInt,
    }
}

diesel::table! {
    usage_label_days (day, team_id, kind, label, measure) {
        day -> BigInt,
        team_id -> Text,
        kind -> Text,
        label -> Text,
        measure -> Text,
        amount -> BigInt,
    }
}

diesel::table! {
    prices (id) {
        id -> Text,
        real_model_name -> Text,
        provider_id -> Nullable<Text>,
        rates -> Text,
        per_request_nano_usd -> BigInt,
        is_free -> Bool,
        multiplier_ppm -> Nullable<BigInt>,
        valid_from -> BigInt,
        created_at -> BigInt,
        region -> Nullable<Text>,
        kind -> Text,
    }
}

diesel::table! {
    reprices (id) {
        id -> Text,
        is_preview -> Bool,
        state -> Text,
        from_at -> BigInt,
        until_at -> BigInt,
        provider_id -> Nullable<Text>,
        real_model_name -> Nullable<Text>,
        cursor -> Text,
        looked_at -> BigInt,
        changed -> BigInt,
        raised_nano_usd -> BigInt,
        lowered_nano_usd -> BigInt,
        known_at -> BigInt,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    usage_corrections (attempt_id, at, reprice_id) {
        attempt_id -> Text,
        reprice_id -> Text,
        at -> BigInt,
        delta_nano_usd -> BigInt,
        cost_nano_usd -> BigInt,
        pricing -> Text,
        price_rule -> Nullable<Text>,
    }
}

diesel::table! {
    usage_entries (attempt_id, at, account) {
        attempt_id -> Text,
        at -> BigInt,
        account -> Text,
        amount -> BigInt,
    }
}

diesel::table! {
    provider_bills (provider_id, day, real_model_name) {
        provider_id -> Text,
        day -> BigInt,
        real_model_name -> Text,
        amount_nano_usd -> BigInt,
        imported_at -> BigInt,
    }
}

diesel::table! {
    quotas (id) {
        id -> Text,
        name -> Text,
        subject_kind -> Text,
        subject_value -> Nullable<Text>,
        measure -> Text,
        window_kind -> Text,
        utc_offset_minutes -> BigInt,
        rolling_ms -> Nullable<BigInt>,
        limit_amount -> BigInt,
        mode -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
        version -> BigInt,
        team_id -> Nullable<Text>,
        is_own -> Bool,
        time_zone -> Nullable<Text>,
        when_alone -> Text,
    }
}

diesel::table! {
    settings (name) {
        name -> Text,
        value -> Text,
    }
}

diesel::table! {
    world_revision (id) {
        id -> BigInt,
        revision -> BigInt,
        being_made -> Nullable<BigInt>,
    }
}

diesel::table! {
    revisions (number) {
        number -> BigInt,
        seq -> BigInt,
        undoes -> Nullable<BigInt>,
    }
}

diesel::table! {
    revision_rows (number, place) {
        number -> BigInt,
        place -> BigInt,
        table_name -> Text,
        row_id -> Text,
        before -> Nullable<Text>,
        after -> Nullable<Text>,
        loses_secret -> Bool,
    }
}

diesel::table! {
    data_keys (id) {
        id -> Text,
        wrapped -> Text,
        created_at -> BigInt,
        retired_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    audit_days (day) {
        day -> Text,
        first_seq -> BigInt,
        first_previous_hash -> Text,
        last_seq -> Nullable<BigInt>,
        last_hash -> Nullable<Text>,
        sealed_at -> Nullable<BigInt>,
        purged_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    audit_log (seq) {
        seq -> BigInt,
        day -> Text,
        at -> BigInt,
        actor_kind -> Text,
        actor_id -> Nullable<Text>,
        actor_name -> Text,
        team_id -> Nullable<Text>,
        action -> Text,
        target_kind -> Nullable<Text>,
        target_id -> Nullable<Text>,
        before -> Nullable<Text>,
        after -> Nullable<Text>,
        address -> Nullable<Text>,
        request_id -> Nullable<Text>,
        outcome -> Text,
        detail -> Nullable<Text>,
        hash -> Text,
    }
}

diesel::table! {
    anomalies (id) {
        id -> Text,
        at -> BigInt,
        kind -> Text,
        team_id -> Nullable<Text>,
        key_id -> Nullable<Text>,
        address -> Nullable<Text>,
        evidence -> Text,
        count -> BigInt,
        acknowledged_at -> Nullable<BigInt>,
        acknowledged_by -> Nullable<Text>,
        version -> BigInt,
        throttle_requests -> Nullable<BigInt>,
        throttle_until -> Nullable<BigInt>,
        throttle_lifted_by -> Nullable<Text>,
    }
}

diesel::table! {
    webhooks (id) {
        id -> Text,
        name -> Text,
        url -> Text,
        team_id -> Nullable<Text>,
        kinds -> Text,
        allow_private_network -> Bool,
        is_active -> Bool,
        generation -> BigInt,
        rotated_at -> Nullable<BigInt>,
        created_at -> BigInt,
        updated_at -> BigInt,
        version -> BigInt,
    }
}

diesel::table! {
    alerts (id) {
        id -> Text,
        at -> BigInt,
        kind -> Text,
        team_id -> Nullable<Text>,
        summary -> Text,
        evidence -> Text,
        fingerprint -> Text,
        acknowledged_at -> Nullable<BigInt>,
        acknowledged_by -> Nullable<Text>,
        version -> BigInt,
    }
}

diesel::table! {
    usage_baselines (watched) {
        watched -> Text,
        team_id -> Nullable<Text>,
        seen_at -> BigInt,
        state -> Binary,
    }
}

diesel::table! {
    webhook_deliveries (id) {
        id -> Text,
        webhook_id -> Text,
        kind -> Text,
        payload -> Text,
        state -> Text,
        attempts -> BigInt,
        next_at -> BigInt,
        last_status -> Nullable<BigInt>,
        last_error -> Nullable<Text>,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    content_keys (id) {
        id -> Text,
        team_id -> Text,
        key_sealed -> Nullable<Text>,
        created_at -> BigInt,
        destroyed_at -> Nullable<BigInt>,
        purpose -> Text,
    }
}

diesel::table! {
    contents (request_id) {
        request_id -> Text,
        key_id -> Text,
        at -> BigInt,
        bytes -> BigInt,
        is_cut -> Bool,
        sealed -> Binary,
    }
}

diesel::table! {
    idempotency_keys (id) {
        id -> Text,
        request_hash -> Text,
        status -> Nullable<BigInt>,
        response_sealed -> Nullable<Text>,
        created_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    key_addresses (key_id, address) {
        key_id -> Text,
        address -> Text,
        first_seen_at -> BigInt,
    }
}

diesel::table! {
    owned_resources (resource_id, kind, provider_id) {
        kind -> Text,
        resource_id -> Text,
        provider_id -> Text,
        credential_id -> Text,
        team_id -> Text,
        key_id -> Text,
        made_at -> BigInt,
    }
}

diesel::table! {
    shelf_things (thing_id) {
        thing_id -> Text,
        kind -> Text,
        key_id -> Text,
        made_at -> BigInt,
        expires_at -> BigInt,
        bytes -> BigInt,
        is_open -> Bool,
        sealed -> Binary,
    }
}

diesel::table! {
    shelf_pieces (thing_id, number) {
        thing_id -> Text,
        number -> BigInt,
        sealed -> Binary,
    }
}

diesel::table! {
    shared_texts (name) {
        name -> Text,
        text -> Binary,
        keep_until -> BigInt,
    }
}

diesel::table! {
    nodes (id) {
        id -> Text,
        name -> Text,
        role -> Text,
        zone -> Nullable<Text>,
        version -> Text,
        revision -> BigInt,
        in_flight -> BigInt,
        has_leased -> Bool,
        started_at -> BigInt,
        seen_at -> BigInt,
        refused_revision -> Nullable<BigInt>,
    }
}

diesel::table! {
    job_leases (job) {
        job -> Text,
        node_id -> Text,
        token -> BigInt,
        until -> BigInt,
    }
}

diesel::joinable!(usage_hours -> usage_contexts (context_id));
diesel::joinable!(usage_days -> usage_contexts (context_id));
diesel::joinable!(usage_weeks -> usage_contexts (context_id));
diesel::joinable!(usage_attempts -> usage_contexts (context_id));
diesel::allow_tables_to_appear_in_same_query!(
    keys,
    usage_attempts,
    usage_contexts,
    usage_days,
    usage_hours,
    usage_weeks
);
diesel::allow_tables_to_appear_in_same_query!(audit_days, audit_log, revisions);
diesel::joinable!(keys -> teams (team_id));
diesel::allow_tables_to_appear_in_same_query!(keys, teams);
diesel::allow_tables_to_appear_in_same_query!(owned_resources, shelf_things);
diesel::joinable!(user_sessions -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(user_sessions, users);
diesel::joinable!(webhook_deliveries -> webhooks (webhook_id));
diesel::allow_tables_to_appear_in_same_query!(webhook_deliveries, webhooks);
diesel::joinable!(model_routes -> service_providers (provider_id));
diesel::allow_tables_to_appear_in_same_query!(model_routes, service_providers);
