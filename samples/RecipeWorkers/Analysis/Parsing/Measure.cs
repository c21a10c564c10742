namespace RecipeWorkers.Analysis.Parsing;

/// <summary>An amount as read: how many of which unit.</summary>
/// <param name="Value">Null when the amount is vague ("a splash").</param>
/// <param name="Unit">Canonical; null for a mere count or a vague amount.</param>
/// <param name="UnitWord">The unit as written: without a name behind it, it may itself be the food ("4
/// cloves").</param>
/// <param name="IsCount">A number without a unit.</param>
/// <param name="IsEach">The amount holds for each of the names that follow.</param>
internal sealed record Measure(double? Value, string? Unit, string? UnitWord, bool IsCount, bool IsEach)
{
    public bool IsVague => Value is null;
}
