//! Why a source gives no row: a closed list, so that counts can be compared over exports.

/// A reason, with the word that `rejected.jsonl` and the card use.
macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal),+ $(,)?) => {
        /// Why something was rejected.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// All reasons.
            pub const ALL: &[Reason] = &[$(Reason::$name),+];

            /// The word that files use.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Reason::$name => $word,)+
                }
            }
        }
    };
}

reasons! {
    /// The attempt ended outside every rate: error, cancelled, skipped.
    NotScored = "not-scored",
    /// The attempt did not pass.
    NotPassed = "not-passed",
    /// The attempt passed, and failed ones were asked for.
    Passed = "passed",
    /// A message breaks the call format.
    BadFormat = "bad-format",
    /// A verdict was asked for and the source has none.
    NoVerdict = "no-verdict",
    /// A least reward was asked for and the attempt has none.
    NoReward = "no-reward",
    /// The reward is under the least one asked for.
    LowReward = "low-reward",
    /// The task has given as many rows as it may.
    OverTaskCap = "over-task-cap",
    /// The record of the trajectory can't be read.
    Unreadable = "unreadable",
    /// Nothing was said by the model.
    NoAssistantTurn = "no-assistant-turn",
    /// A turn of the model that is to be learned is empty.
    EmptyTurn = "empty-turn",
    /// All turns of the model are left out of training.
    NothingToTrain = "nothing-to-train",
    /// A turn must not be learned and the target can't leave it out.
    MaskedTurn = "masked-turn",
    /// A message holds images or sound.
    ContentNotText = "content-not-text",
    /// The arguments of a call are no JSON object.
    ArgumentsNotObject = "arguments-not-object",
    /// A number in arguments would be changed by the readers of the target.
    NumberOutOfRange = "number-out-of-range",
    /// A call in text can't be made native without a repair.
    MalformedCall = "malformed-call",
    /// Two calls of a dialogue have one id, or a call has none.
    CallId = "call-id",
    /// A call has no result although the dialogue goes on.
    UnansweredCall = "unanswered-call",
    /// A result belongs to no call.
    OrphanResult = "orphan-result",
    /// Several calls in one message, where the target or the text form has room for one.
    ParallelCalls = "parallel-calls",
    /// Calls, but nobody knows the tools.
    ToolsUnknown = "tools-unknown",
    /// Text beside a call where the target has room for the call alone.
    TextWithCall = "text-with-call",
    /// Turns do not alternate as the target demands.
    NotAlternating = "not-alternating",
    /// A system message that is not the first one.
    SystemNotFirst = "system-not-first",
    /// Reasoning in the text that is not closed or not at the start.
    ThinkNotSeparable = "think-not-separable",
    /// No user turn before the model's first one.
    NoPrompt = "no-prompt",
    /// No two attempts of the task make a pair.
    NoPair = "no-pair",
    /// A pair differs first where the model does not speak.
    DivergesElsewhere = "diverges-elsewhere",
    /// A format pair whose broken message is not the one that differs.
    FormatErrorElsewhere = "format-error-elsewhere",
    /// The tools of a pair differ.
    ToolsDiffer = "tools-differ",
    /// The same pair stands there already.
    DuplicatePair = "duplicate-pair",
    /// The task has given as many pairs as it may.
    OverPairCap = "over-pair-cap",
    /// All outcomes of a group are equal.
    EqualOutcomes = "equal-outcomes",
}

/// A rejection: the reason and a sentence about this case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The reason.
    pub reason: Reason,
    /// One lower-case sentence.
    pub text: String,
}

impl Reject {
    /// A rejection.
    pub fn new(reason: Reason, text: impl Into<String>) -> Self {
        Self { reason, text: text.into() }
    }
}
