using RecipeWorkers.Analysis.Parsing;

namespace RecipeWorkers.Analysis;

/// <summary>Reads a recipe out of free text. Thread-safe; keeps nothing between calls.</summary>
public sealed class RecipeAnalyzer
{
    /// <summary>
    /// Longest text taken, in characters: ten times a long recipe, so that no client can keep a worker busy with one.
    /// </summary>
    public const int MaxTextLength = 20_000;

    /// <summary>The dish when the text names none.</summary>
    public const string UnknownDish = "unknown dish";

    /// <summary>Dish, ingredients, shopping cart and conflicts of a text as people type it.</summary>
    /// <exception cref="ArgumentException">The text is longer than <see cref="MaxTextLength"/>; sending it again does
    /// not help.</exception>
    public AnalysisResult Analyze(string userInput)
    {
        ArgumentNullException.ThrowIfNull(userInput);
        if (userInput.Length > MaxTextLength)
            throw new ArgumentException($"The text is longer than {MaxTextLength} characters.", nameof(userInput));

        var (dish, found) = RecipeText.Read(userInput);
        string name = dish ?? UnknownDish;
        var ingredients = found.Select(item => new Ingredient(item.Name.Text, item.Quantity, item.Unit)).ToList();
        var conflicts = ConflictFinder.Find(ingredients.Select(ingredient => ingredient.Name), userInput);
        return new AnalysisResult(name, new Recipe(name, ingredients), CartBuilder.Build(ingredients), conflicts);
    }
}
