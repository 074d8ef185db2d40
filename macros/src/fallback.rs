//! What is emitted when something is wrong: every problem, and an empty set so that nothing else fails.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use whimbrel_core::{Problem, Problems};

/// Problems, each with the tokens that it stands under.
#[derive(Default)]
pub(crate) struct Failure(Vec<(Problem, Span)>);

impl Failure {
    /// Many problems under one span.
    pub(crate) fn new(problems: Problems, span: Span) -> Self {
        Self(problems.into_iter().map(|problem| (problem, span)).collect())
    }

    /// One problem.
    pub(crate) fn one(problem: Problem, span: Span) -> Self {
        Self(vec![(problem, span)])
    }

    /// Adds what else is wrong.
    pub(crate) fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
    }

    /// `value` when nothing is wrong.
    pub(crate) fn none_or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// One `compile_error!` for each problem, then the empty set.
    ///
    /// They are statements: as `const _: () = compile_error!(…)` rust-analyzer adds noise to each.
    pub(crate) fn into_tokens(self) -> TokenStream {
        let errors = self.0.into_iter().map(|(problem, span)| {
            let text = problem.to_string();
            quote_spanned! { span => ::core::compile_error!(#text); }
        });
        quote! { #(#errors)* __whimbrel::Migrations::__empty() }
    }
}
