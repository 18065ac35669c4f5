//! What providers' failures are taken for, in the shapes they come in.

use super::*;
use crate::part::scrub::MESSAGE_MAX_BYTES;

/// Status, body, class, and what was said: message, type, param, code.
type Case = (u16, &'static str, Class, Option<[&'static str; 4]>);

#[rustfmt::skip]
const CASES: &[Case] = &[
    // OpenAI
    (400, r#"{"error":{"message":"Unsupported value","type":"invalid_request_error","param":"messages[0].role","code":"unsupported_value"}}"#, Class::BadRequest, Some(["Unsupported value", "invalid_request_error", "messages[0].role", "unsupported_value"])),
    (400, r#"{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#, Class::ContextLength, Some(["too long", "invalid_request_error", "messages", "context_length_exceeded"])),
    (400, r#"{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"content_policy_violation"}}"#, Class::ContentFilter, Some(["no", "invalid_request_error", "", "content_policy_violation"])),
    (401, r#"{"error":{"message":"Incorrect API key provided: sk-abc***xyz.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#, Class::Credential, Some(["Incorrect API key provided: [redacted].", "invalid_request_error", "", "invalid_api_key"])),
    (403, r#"{"error":{"message":"Project has no access to model","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#, Class::ModelNotFound, Some(["Project has no access to model", "invalid_request_error", "", "model_not_found"])),
    (404, r#"{"error":{"message":"The model `x` does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#, Class::ModelNotFound, Some(["The model `x` does not exist", "invalid_request_error", "", "model_not_found"])),
    (429, r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#, Class::Billing, Some(["You exceeded your current quota", "insufficient_quota", "", "insufficient_quota"])),
    (429, r#"{"error":{"message":"Rate limit reached","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#, Class::RateLimited, Some(["Rate limit reached", "tokens", "", "rate_limit_exceeded"])),
    (500, r#"{"error":{"message":"oops","type":"server_error","param":null,"code":null}}"#, Class::Internal, Some(["oops", "server_error", "", ""])),
    (400, r#"{"error":{"message":"filtered","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#, Class::ContentFilter, Some(["filtered", "", "", "content_filter"])),
    // vLLM, flat; API gateways; DashScope; MiniMax
    (400, r#"{"object":"error","message":"This model's maximum context length is 10 tokens","type":"BadRequestError","param":null,"code":400}"#, Class::ContextLength, Some(["This model's maximum context length is 10 tokens", "BadRequestError", "", "400"])),
    (401, r#"{"statusCode":401,"message":"Access token is missing"}"#, Class::Credential, Some(["Access token is missing", "", "", "401"])),
    (400, r#"{"code":"DataInspectionFailed","message":"inappropriate content","request_id":"r"}"#, Class::ContentFilter, Some(["inappropriate content", "", "", "DataInspectionFailed"])),
    (400, r#"{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#, Class::Billing, Some(["insufficient balance", "", "", "1008"])),
    // Mistral and FastAPI
    (422, r#"{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","logit_bias"],"msg":"Extra inputs are not permitted"}]},"type":"invalid_request_error","param":null,"code":null}"#, Class::BadRequest, Some(["Extra inputs are not permitted", "invalid_request_error", "logit_bias", ""])),
    (422, r#"{"detail":[{"loc":["body","messages",0,"role"],"msg":"a"},{"msg":"b"}]}"#, Class::BadRequest, Some(["a; b", "", "messages.0.role", ""])),
    (401, r#"{"detail":"Invalid API Key"}"#, Class::Credential, Some(["Invalid API Key", "", "", ""])),
    // Ollama; Gemini's compatible surface; OpenRouter
    (404, r#"{"error":"model 'x' not found"}"#, Class::ModelNotFound, Some(["model 'x' not found", "", "", ""])),
    (400, r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#, Class::Credential, Some(["API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", "", "400"])),
    (402, r#"{"error":{"code":402,"message":"Insufficient credits"}}"#, Class::Billing, Some(["Insufficient credits", "", "", "402"])),
    (403, r#"{"error":{"code":403,"message":"Your input was flagged by a filter"}}"#, Class::ContentFilter, Some(["Your input was flagged by a filter", "", "", "403"])),
    // Azure: a deployment, a key, a limit
    (404, r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#, Class::ModelNotFound, Some(["The API deployment for this resource does not exist.", "", "", "DeploymentNotFound"])),
    (401, r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key"}}"#, Class::Credential, Some(["Access denied due to invalid subscription key", "", "", "401"])),
    (429, r#"{"statusCode":429,"message":"Rate limit is exceeded. Try again in 2 seconds."}"#, Class::RateLimited, Some(["Rate limit is exceeded. Try again in 2 seconds.", "", "", "429"])),
    (429, r#"{"error":{"code":"RateLimitReached","message":"slow down","details":"x"}}"#, Class::RateLimited, Some(["slow down", "", "", "RateLimitReached"])),
    // Cohere; xAI; DashScope; Moonshot; Together
    (401, r#"{"id":"r","message":"Incorrect API key provided: ***********. You can find your API key"}"#, Class::Credential, Some(["Incorrect API key provided: [redacted]. You can find your API key", "", "", ""])),
    (404, r#"{"id":"r","message":"model 'x' was removed"}"#, Class::ModelNotFound, Some(["model 'x' was removed", "", "", ""])),
    (400, r#"{"message":"too many tokens: size limit exceeded by 9 tokens"}"#, Class::ContextLength, Some(["too many tokens: size limit exceeded by 9 tokens", "", "", ""])),
    (429, r#"{"message":"You are using a Trial key, which is limited to 1000 API calls / month"}"#, Class::Billing, Some(["You are using a Trial key, which is limited to 1000 API calls / month", "", "", ""])),
    (400, r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: xa***ey."}"#, Class::Credential, Some(["Incorrect API key provided: [redacted].", "", "", "Client specified an invalid argument"])),
    (400, r#"{"code":"c","error":"This model's maximum prompt length is 8 but the request contains 9 tokens."}"#, Class::ContextLength, Some(["This model's maximum prompt length is 8 but the request contains 9 tokens.", "", "", "c"])),
    (400, r#"{"error":{"code":"InvalidParameter","message":"Range of input length should be [1, 8]","type":"invalid_request_error"}}"#, Class::ContextLength, Some(["Range of input length should be [1, 8]", "invalid_request_error", "", "InvalidParameter"])),
    (400, r#"{"error":{"type":"invalid_request_error","message":"Your request exceeded model token limit: 8"}}"#, Class::ContextLength, Some(["Your request exceeded model token limit: 8", "invalid_request_error", "", ""])),
    // DeepSeek; Zhipu; Groq
    (400, r#"{"error":{"message":"Model Not Exist","type":"invalid_request_error","param":null,"code":"invalid_request_error"}}"#, Class::ModelNotFound, Some(["Model Not Exist", "invalid_request_error", "", "invalid_request_error"])),
    (429, r#"{"error":{"code":"1113","message":"account overdue"}}"#, Class::Billing, Some(["account overdue", "", "", "1113"])),
    (400, r#"{"error":{"message":"no call","type":"invalid_request_error","code":"tool_use_failed","failed_generation":"x"}}"#, Class::BadRequest, Some(["no call", "invalid_request_error", "", "tool_use_failed"])),
    (498, r#"{"error":{"message":"capacity"}}"#, Class::Overloaded, Some(["capacity", "", "", ""])),
    // Anthropic
    (400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"},"request_id":"r"}"#, Class::ContextLength, Some(["prompt is too long: 9 tokens > 8 maximum", "invalid_request_error", "", ""])),
    (400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits."}}"#, Class::Billing, Some(["You have reached your specified API usage limits.", "invalid_request_error", "", ""])),
    (400, r#"{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering policy"}}"#, Class::ContentFilter, Some(["Output blocked by content filtering policy", "invalid_request_error", "", ""])),
    (401, r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key sk-ant-api03-abc"}}"#, Class::Credential, Some(["invalid x-api-key [redacted]", "authentication_error", "", ""])),
    (403, r#"{"type":"error","error":{"type":"permission_error","message":"not yours"}}"#, Class::Credential, Some(["not yours", "permission_error", "", ""])),
    (404, r#"{"type":"error","error":{"type":"not_found_error","message":"model: claude-x"}}"#, Class::ModelNotFound, Some(["model: claude-x", "not_found_error", "", ""])),
    (413, r#"{"type":"error","error":{"type":"request_too_large","message":"too large"}}"#, Class::TooLarge, Some(["too large", "request_too_large", "", ""])),
    (429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}"#, Class::RateLimited, Some(["slow down", "rate_limit_error", "", ""])),
    (500, r#"{"type":"error","error":{"type":"api_error","message":"oops"}}"#, Class::Internal, Some(["oops", "api_error", "", ""])),
    (529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, Class::Overloaded, Some(["Overloaded", "overloaded_error", "", ""])),
    // the status alone
    (413, "<html>413 Request Entity Too Large</html>", Class::TooLarge, None),
    (401, "", Class::Credential, None),
    (402, "", Class::Billing, None),
    (408, "", Class::Timeout, None),
    (424, "", Class::Internal, None),
    (429, "slow down", Class::RateLimited, None),
    (500, "", Class::Internal, None),
    (502, "<html>Bad Gateway</html>", Class::Internal, None),
    (503, "{", Class::Overloaded, None),
    (504, "", Class::Timeout, None),
    (522, "", Class::Overloaded, None),
    (529, "{}", Class::Overloaded, None),
    (999, "ok", Class::BadAnswer, None),
    // a body that cannot be read never blames the caller
    (302, "", Class::BadAnswer, None),
    (304, "", Class::BadAnswer, None),
    (400, "<html>nginx</html>", Class::BadAnswer, None),
    (400, "{}", Class::BadAnswer, None),
    (400, r#"{"error":null}"#, Class::BadAnswer, None),
    (400, "[]", Class::BadAnswer, None),
    (404, "404 page not found", Class::BadAnswer, None),
    (405, r#"{"detail":"Method Not Allowed"}"#, Class::BadAnswer, Some(["Method Not Allowed", "", "", ""])),
    (409, r#"{"error":{"message":"conflict"}}"#, Class::Overloaded, Some(["conflict", "", "", ""])),
    (422, "\u{0}\u{1}", Class::BadAnswer, None),
];

fn words(said: &Option<Box<Said>>) -> Option<[&str; 4]> {
    fn word(word: &Option<String>) -> &str {
        word.as_deref().unwrap_or_default()
    }
    said.as_ref().map(|said| [said.message.as_str(), word(&said.kind), word(&said.param), word(&said.code)])
}

#[test]
fn an_answer_s_status_and_words_decide_its_class() {
    for (status, body, class, said) in CASES {
        let fault = of_answer(*status, body.as_bytes());
        assert_eq!((fault.class, words(&fault.said)), (*class, *said), "{status} {body}");
        assert_eq!(fault.status, Some(*status));
        assert_eq!(fault.message, format!("the provider answered with status {status}"));
    }
}

#[test]
fn what_a_filter_found_and_what_was_no_call_is_kept_without_credentials() {
    let more = |error: &str| {
        let said = of_answer(400, format!("{{\"error\":{error}}}").as_bytes()).said.unwrap();
        said.more.into_iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>()
    };
    assert_eq!(
        more(
            r#"{"message":"m","innererror":{"code":"ResponsibleAIPolicyViolation","key":["sk-secret123"],"n":1}}"#
        ),
        [r#"innererror {"code":"ResponsibleAIPolicyViolation","key":["[redacted]"],"n":1}"#]
    );
    assert_eq!(more(r#"{"message":"m","failed_generation":"<f>"}"#), [r#"failed_generation "<f>""#]);
    let none: [String; 0] = [];
    assert_eq!(more(r#"{"message":"m","innererror":null,"other":1}"#), none);
    let long = "x ".repeat(MESSAGE_MAX_BYTES);
    assert_eq!(more(&format!(r#"{{"message":"m","innererror":["{long}","{long}","{long}"]}}"#)), none);
}

#[test]
fn an_error_inside_an_answer_is_classed_by_its_code_and_words() {
    for (body, class) in [
        (r#"{"error":{"code":502,"message":"Provider disconnected"}}"#, Class::Internal),
        (r#"{"error":{"code":"429","message":"x"}}"#, Class::RateLimited),
        (r#"{"error":{"code":503,"message":"x"}}"#, Class::Overloaded),
        (r#"{"error":{"code":400,"message":"maximum context length"}}"#, Class::ContextLength),
        (r#"{"error":{"code":"rate_limit_exceeded","message":"x"}}"#, Class::RateLimited),
        (r#"{"error":{"message":"Overloaded","type":"overloaded_error"}}"#, Class::Overloaded),
        (r#"{"error":{"message":"The request timed out"}}"#, Class::Timeout),
        (r#"{"error":{"message":"x","type":"invalid_request_error"}}"#, Class::BadRequest),
        (r#"{"error":{"message":"x","code":"insufficient_quota"}}"#, Class::Billing),
        (r#"{"error":{"message":"x","code":"content_filter"}}"#, Class::ContentFilter),
        (r#"{"type":"error","error":{"type":"rate_limit_error","message":"x"}}"#, Class::RateLimited),
        (r#"{"type":"error","error":{"type":"authentication_error","message":"x"}}"#, Class::Credential),
        (r#"{"type":"error","error":{"type":"permission_error","message":"x"}}"#, Class::Credential),
        (r#"{"type":"error","error":{"type":"not_found_error","message":"x"}}"#, Class::ModelNotFound),
        (r#"{"type":"error","error":{"type":"billing_error","message":"x"}}"#, Class::Billing),
        (r#"{"type":"error","error":{"type":"request_too_large","message":"x"}}"#, Class::TooLarge),
        (r#"{"type":"error","error":{"type":"timeout_error","message":"x"}}"#, Class::Timeout),
        (r#"{"type":"error","error":{"type":"api_error","message":"x"}}"#, Class::Internal),
        (r#"{"error":"boom"}"#, Class::Internal),
        (r#"{"error":1}"#, Class::Internal),
        ("", Class::Internal),
    ] {
        let fault = in_band(body.as_bytes());
        assert_eq!((fault.class, fault.status), (class, None), "{body}");
        assert_eq!(fault.message, "the provider reported an error inside its answer");
    }
}

#[test]
fn a_body_cut_short_anywhere_or_nested_without_end_is_read_over() {
    let (_, body, ..) = CASES[0];
    for end in 0..body.len() {
        assert_eq!(of_answer(400, &body.as_bytes()[..end]).class, Class::BadAnswer);
    }
    assert_eq!(of_answer(500, "[".repeat(100_000).as_bytes()).class, Class::Internal);
}
