//! The voicemail guard: what the agent is told to do when a machine answers, in the call's language.

/// The guard's text for a language (BCP 47; English for those we have no text in). With the hang-up
/// tool the agent ends the call; without it, it can only keep quiet until somebody ends it.
pub(crate) fn guard(language: Option<&str>, can_hang_up: bool) -> &'static str {
    match (primary_subtag(language).as_str(), can_hang_up) {
        ("pt", true) => {
            "Se quem atender for caixa postal, secretária eletrônica ou gravação automática, não deixe recado: \
             não diga nada e encerre a ligação imediatamente com a ferramenta hangUp."
        }
        ("pt", false) => {
            "Se quem atender for caixa postal, secretária eletrônica ou gravação automática, não deixe recado \
             e não diga mais nada."
        }
        ("es", true) => {
            "Si contesta un buzón de voz, un contestador o una grabación automática, no dejes ningún mensaje: \
             no digas nada y termina la llamada de inmediato con la herramienta hangUp."
        }
        ("es", false) => {
            "Si contesta un buzón de voz, un contestador o una grabación automática, no dejes ningún mensaje \
             y no digas nada más."
        }
        (_, true) => {
            "If a voicemail, an answering machine or an automatic announcement answers, leave no message: \
             say nothing and end the call at once with the hangUp tool."
        }
        (_, false) => {
            "If a voicemail, an answering machine or an automatic announcement answers, leave no message \
             and say nothing more."
        }
    }
}

/// What the agent is told when nobody spoke after the answer and no greeting is prescribed.
pub(crate) fn greet_silent_callee(language: Option<&str>) -> &'static str {
    match primary_subtag(language).as_str() {
        "pt" => "A pessoa atendeu e está em silêncio. Cumprimente-a e diga por que está ligando.",
        "es" => "La persona contestó y está en silencio. Salúdala y dile por qué llamas.",
        _ => "The person picked up and is silent. Greet them and say why you are calling.",
    }
}

fn primary_subtag(language: Option<&str>) -> String {
    language.unwrap_or_default().split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_speaks_the_calls_language_and_english_otherwise() {
        for (language, word) in [
            (Some("pt-BR"), "caixa postal"),
            (Some("PT"), "caixa postal"),
            (Some("es_CL"), "buzón de voz"),
            (Some("en-US"), "voicemail"),
            (Some("de"), "voicemail"),
            (None, "voicemail"),
        ] {
            for can_hang_up in [true, false] {
                let text = guard(language, can_hang_up);
                assert!(text.contains(word), "{language:?}: {text}");
                assert_eq!(text.contains("hangUp"), can_hang_up);
            }
        }
    }
}
