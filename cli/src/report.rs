//! Checks: one line each, green, yellow or red, and what to do.

use serde::Serialize;

use crate::failure::Answer;
use crate::output::{DIM, GREEN, Output, RED, YELLOW, styled};

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Light {
    /// As it must be.
    Green,
    /// It works, and somebody should look; or it cannot be found out from here.
    Yellow,
    /// Calls fail, or will.
    Red,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    light: Light,
    what: String,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    todo: Option<String>,
}

impl Line {
    /// As it must be.
    pub fn green(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { light: Light::Green, what: what.into(), detail: detail.into(), todo: None }
    }

    /// To be looked at; `todo` says how.
    pub fn yellow(what: impl Into<String>, detail: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { light: Light::Yellow, what: what.into(), detail: detail.into(), todo: Some(todo.into()) }
    }

    /// Broken; `todo` says what mends it.
    pub fn red(what: impl Into<String>, detail: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { light: Light::Red, what: what.into(), detail: detail.into(), todo: Some(todo.into()) }
    }

    /// Green or red, as it went.
    pub fn of(what: impl Into<String>, went: Result<String, String>, todo: impl Into<String>) -> Self {
        match went {
            Ok(detail) => Self::green(what, detail),
            Err(detail) => Self::red(what, detail, todo),
        }
    }

    /// How it went.
    pub fn light(&self) -> Light {
        self.light
    }

    /// Prints it.
    pub fn show(&self, output: &Output) -> anyhow::Result<()> {
        if output.json {
            return output.object(self);
        }
        let sign = match self.light {
            Light::Green => styled(GREEN, "ok  "),
            Light::Yellow => styled(YELLOW, "look"),
            Light::Red => styled(RED, "bad "),
        };
        output.say(format!("{sign}  {}: {}", self.what, self.detail));
        if let Some(todo) = &self.todo {
            output.say(format!("      {} {todo}", styled(DIM, "→")));
        }
        Ok(())
    }
}

/// No, if any is red. Says how many.
pub fn verdict(lines: &[Line], output: &Output) -> Answer {
    let count = |light| lines.iter().filter(|line| line.light == light).count();
    let (red, yellow) = (count(Light::Red), count(Light::Yellow));
    if !output.json {
        output.say(format!("{} checks: {red} bad, {yellow} to look at", lines.len()));
    }
    Answer::yes_if(red == 0)
}
