namespace RecipeWorkers.Analysis.Parsing;

/// <summary>What a token is to the grammar.</summary>
internal enum TokenKind
{
    /// <summary>A number, fractions already worked out.</summary>
    Number,

    /// <summary>A word, lower case; may hold hyphens and apostrophes.</summary>
    Word,

    /// <summary>A comma or semicolon: a new ingredient, or a note on the last one.</summary>
    Comma,

    /// <summary>The end of a sentence.</summary>
    Stop,

    /// <summary>A bullet, pictogram or table bar inside a line: always a new ingredient.</summary>
    Break,

    /// <summary>An opening bracket.</summary>
    Open,

    /// <summary>A closing bracket.</summary>
    Close,

    /// <summary>A slash between alternatives.</summary>
    Slash,

    /// <summary>A dash: a range between numbers, a separator between words.</summary>
    Dash,

    /// <summary>A colon or equals sign.</summary>
    Colon,
}

/// <summary>One token. <paramref name="Raw"/> keeps the case: "T" is a tablespoon, "t" a teaspoon.</summary>
internal readonly record struct Token(TokenKind Kind, string Text, string Raw, double Value = 0)
{
    public bool Is(string word) => Kind == TokenKind.Word && Text == word;

    public bool IsWord => Kind == TokenKind.Word;

    public bool IsNumber => Kind == TokenKind.Number;
}
