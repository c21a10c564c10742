namespace RecipeWorkers.Analysis.Parsing;

/// <summary>An ingredient being put together.</summary>
internal sealed class Found(CanonicalName name, Measure? measure)
{
    public CanonicalName Name { get; } = name;

    public Measure? Measure { get; set; } = measure;

    public double? Quantity => Measure?.Value;

    public string? Unit
    {
        get
        {
            if (Measure?.Value is null) return null;
            if (Measure.Unit is { } unit)
                return unit == "piece" && Name.TrailingUnit is not null ? Name.TrailingUnit : unit;
            return Name.TrailingUnit ?? (Name.Food is null or { IsCountable: true } ? "piece" : null);
        }
    }
}
