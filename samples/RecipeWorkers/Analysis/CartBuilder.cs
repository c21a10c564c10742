using RecipeWorkers.Analysis.Parsing;

namespace RecipeWorkers.Analysis;

/// <summary>Adds up what a recipe needs, each ingredient once per kind of amount.</summary>
internal static class CartBuilder
{
    public static ShoppingCart Build(IEnumerable<Ingredient> ingredients) =>
        new([.. ingredients.GroupBy(ingredient => ingredient.Name).SelectMany(Merge)]);

    private static IEnumerable<CartItem> Merge(IGrouping<string, Ingredient> same)
    {
        var measured = same.Where(ingredient => ingredient.Quantity is not null).ToList();
        // "To taste" beside an amount asks for no second item.
        if (measured.Count == 0) return [new CartItem(same.Key, null, null)];
        return measured.GroupBy(KindOf).Select(kind => Sum(same.Key, [.. kind]));
    }

    // Two cans and 100 g cannot be added; 1 kg and 100 g can.
    private static string KindOf(Ingredient ingredient) =>
        ingredient.Unit is { } unit && Units.Canonical.TryGetValue(unit, out var known)
            ? known.Dimension.ToString()
            : ingredient.Unit ?? "";

    private static CartItem Sum(string name, List<Ingredient> parts)
    {
        string? unit = parts[0].Unit;
        if (parts.TrueForAll(part => part.Unit == unit))
            return new CartItem(name, Round(parts.Sum(part => part.Quantity!.Value)), unit);

        double total = parts.Sum(part => part.Quantity!.Value * Units.Canonical[part.Unit!].Base);
        bool isMass = Units.Canonical[unit!].Dimension == Dimension.Mass;
        return total >= 1000
            ? new CartItem(name, Round(total / 1000), isMass ? "kg" : "l")
            : new CartItem(name, Round(total), isMass ? "g" : "ml");
    }

    private static double Round(double value) => Math.Round(value, 3);
}
