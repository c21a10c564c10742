using RecipeWorkers.Analysis;
using Xunit;

namespace RecipeWorkers.Tests;

public sealed class GrammarTests
{
    [Theory]
    // Fractions and decimals.
    [InlineData("1/2 cup sugar", "sugar|0.5|cup")]
    [InlineData("1 1/2 cups milk", "milk|1.5|cup")]
    [InlineData("½ tsp salt", "salt|0.5|tsp")]
    [InlineData("1½ tbsp honey", "honey|1.5|tbsp")]
    [InlineData("1.5 kg potatoes", "potato|1.5|kg")]
    [InlineData("0,5 l water", "water|0.5|l")]
    [InlineData("1,000 g flour", "flour|1000|g")]
    // Ranges: the lower bound.
    [InlineData("2-3 carrots", "carrot|2|piece")]
    [InlineData("4 to 5 tomatoes", "tomato|4|piece")]
    [InlineData("½–1 tsp chilli flakes", "chilli flake|0.5|tsp")]
    // Words for numbers.
    [InlineData("a dozen eggs", "egg|12|piece")]
    [InlineData("half a cucumber", "cucumber|0.5|piece")]
    [InlineData("a couple of onions", "onion|2|piece")]
    [InlineData("one and a half cups of rice", "rice|1.5|cup")]
    [InlineData("three quarters of a cup of cream", "cream|0.75|cup")]
    // Units.
    [InlineData("200gr butter", "butter|200|g")]
    [InlineData("2 T olive oil", "olive oil|2|tbsp")]
    [InlineData("2 t paprika", "paprika|2|tsp")]
    [InlineData("3 tabelspoons sugar", "sugar|3|tbsp")]
    [InlineData("2 dl milk", "milk|200|ml")]
    [InlineData("1 lb 8 oz beef", "beef|1.5|lb")]
    [InlineData("6 fl oz cream", "cream|180|ml")]
    [InlineData("a pinch of nutmeg", "nutmeg|1|pinch")]
    [InlineData("2 garlic cloves", "garlic|2|clove")]
    [InlineData("4 cloves", "clove|4|piece")]
    [InlineData("3 sticks of celery", "celery|3|stick")]
    [InlineData("4 rashers bacon", "bacon|4|slice")]
    // Containers and sizes.
    [InlineData("1 (400 g) can chickpeas, drained", "chickpea|1|can")]
    [InlineData("1 can (400 g) chickpeas", "chickpea|1|can")]
    [InlineData("2 x 400g tins chopped tomatoes", "tomato|2|can")]
    [InlineData("1 14-oz can black beans", "black bean|1|can")]
    [InlineData("3 x 150g salmon fillets", "salmon fillet|3|piece")]
    [InlineData("200g/7oz feta", "feta|200|g")]
    [InlineData("2-inch piece of ginger, grated", "ginger|1|piece")]
    // Amounts behind the name.
    [InlineData("eggs x2", "egg|2|piece")]
    [InlineData("flour: 200 g", "flour|200|g")]
    [InlineData("butter (100g)", "butter|100|g")]
    [InlineData("milk - half a cup", "milk|0.5|cup")]
    // Names.
    [InlineData("2 large fresh eggs, beaten", "egg|2|piece")]
    [InlineData("1 red onion, finely chopped", "red onion|1|piece")]
    [InlineData("100 g soft brown sugar", "soft brown sugar|100|g")]
    [InlineData("1 tsp ground cumin", "ground cumin|1|tsp")]
    [InlineData("5 bay leaves", "bay leaf|5|piece")]
    [InlineData("2 vine ripened tomatos", "vine ripened tomato|2|piece")]
    [InlineData("100 g spagetti", "spaghetti|100|g")]
    [InlineData("1 red or yellow pepper", "red pepper|1|piece")]
    [InlineData("juice of 1 lemon", "lemon|1|piece")]
    [InlineData("salt and pepper to taste", "salt||;pepper||")]
    [InlineData("1 tsp each cumin, paprika and oregano", "cumin|1|tsp;paprika|1|tsp;oregano|1|tsp")]
    [InlineData("2 carrots and 3 sticks celery", "carrot|2|piece;celery|3|stick")]
    [InlineData("🥚 2 eggs 🧈 100 g butter", "egg|2|piece;butter|100|g")]
    public void An_entry_of_a_list_is_read(string text, string expected)
        => Assert.Equal(expected, Read("Ingredients:\n" + text));

    [Theory]
    [InlineData(
        "Fry 2 chopped onions in a splash of oil, then add 400g minced beef and simmer for 20 minutes.",
        "onion|2|piece;oil||;minced beef|400|g")]
    [InlineData("Take some pasta, bacon and mushrooms, and bake at 180°C for 4 people.", "pasta||;bacon||;mushroom||")]
    [InlineData(
        "Whisk 3 eggs with 200 ml milk. Cream the eggs, add the milk and bake in a 20 cm tin.",
        "egg|3|piece;milk|200|ml")]
    [InlineData("Add 2 tbsp of gochujang and stir.", "gochujang|2|tbsp")]
    [InlineData("I have rice and peas, but no butter, so I use oil instead of cream.", "rice||;pea||;oil||")]
    [InlineData("Season with a pinch of salt and pepper.", "salt|1|pinch;pepper|1|pinch")]
    [InlineData("Mix milk (1 l) and honey.", "milk|1|l;honey||")]
    [InlineData("Serve my tomato soup with bread.", "bread||")]
    public void Ingredients_are_picked_out_of_sentences(string text, string expected)
        => Assert.Equal(expected, Read(text));

    [Theory]
    [InlineData("Pancakes\n2 eggs\n100 g flour", "Pancakes")]
    [InlineData("# Grandma's Apple Pie\n- 6 apples", "Grandma's Apple Pie")]
    [InlineData("I want to make a chickpea curry tonight with 1 can chickpeas", "chickpea curry")]
    [InlineData("omelette: 3 eggs, salt", "omelette")]
    [InlineData("Dish: Miso ramen\n2 packs ramen noodles", "Miso ramen")]
    [InlineData("Boil 3 potatoes for the goulash.", "goulash")]
    [InlineData("Gratin crémeux\n2 potatoes", "Gratin crémeux")]
    [InlineData("2 eggs, 100 g flour", RecipeAnalyzer.UnknownDish)]
    public void The_dish_is_found(string text, string dish)
        => Assert.Equal(dish, new RecipeAnalyzer().Analyze(text).Dish);

    [Fact]
    public void Servings_times_and_the_method_add_nothing_to_a_list()
    {
        const string text = """
            Lemon drizzle cake
            Serves 8
            Prep time: 20 min
            For the cake:
            • 225g unsalted butter, softened
            • 4 eggs
            For the topping:
            • 85 g caster sugar
            Method
            1. Heat the oven to 180C and line a 20 cm tin.
            2. Beat the butter, add the eggs one at a time, and bake for 45 minutes.
            Notes
            Keeps 3 days; nice with 100 g cream.
            """;

        Assert.Equal("unsalted butter|225|g;egg|4|piece;caster sugar|85|g", Read(text));
    }

    [Fact]
    public void A_table_is_read()
    {
        Assert.Equal(
            "rolled oat|100|g;honey|2|tbsp;banana|3|piece",
            Read("| Ingredient | Amount |\n|---|---|\n| Rolled oats | 100 g |\n| Honey | 2 tbsp |\n| Bananas | 3 |"));
    }

    [Fact]
    public void A_long_hostile_text_is_answered_in_time()
    {
        string hostile = string.Concat(Enumerable.Repeat("a and 1 x (", RecipeAnalyzer.MaxTextLength / 11));
        var watch = System.Diagnostics.Stopwatch.StartNew();
        new RecipeAnalyzer().Analyze(hostile);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(20), watch.Elapsed.ToString());
        Assert.Throws<ArgumentException>(
            () => new RecipeAnalyzer().Analyze(new string('a', RecipeAnalyzer.MaxTextLength + 1)));
    }

    private static string Read(string text) =>
        string.Join(';', new RecipeAnalyzer().Analyze(text).Recipe.Ingredients
            .Select(item => FormattableString.Invariant($"{item.Name}|{item.Quantity}|{item.Unit}")));
}
