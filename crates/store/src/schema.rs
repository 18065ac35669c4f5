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
    }
}

diesel::table! {
    service_providers (id) {
        id -> Text,
        name -> Text,
        kind -> Text,
        endpoint -> Text,
        api_key_sealed -> Nullable<Text>,
        weight -> BigInt,
        rate_limit -> Nullable<BigInt>,
        allow_private_network -> Bool,
        is_active -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
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
    }
}

diesel::table! {
    usage_records (attempt_id) {
        attempt_id -> Text,
        request_id -> Text,
        attempt_number -> BigInt,
        key_id -> Text,
        team_id -> Nullable<Text>,
        operation -> Text,
        model_alias -> Text,
        provider_id -> Text,
        provider_name -> Text,
        real_model_name -> Text,
        is_stream -> Bool,
        outcome -> Text,
        fault_class -> Nullable<Text>,
        status -> BigInt,
        input -> BigInt,
        cache_read -> BigInt,
        cache_write -> BigInt,
        output -> BigInt,
        reasoning -> BigInt,
        audio_in -> BigInt,
        audio_out -> BigInt,
        source -> Text,
        raw_usage -> Nullable<Text>,
        provider_request_id -> Nullable<Text>,
        started_at -> BigInt,
        first_token_us -> Nullable<BigInt>,
        duration_us -> BigInt,
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
    }
}

diesel::joinable!(model_routes -> service_providers (provider_id));
diesel::allow_tables_to_appear_in_same_query!(model_routes, service_providers);
