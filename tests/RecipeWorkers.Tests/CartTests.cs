using RecipeWorkers.Analysis;
using Xunit;

namespace RecipeWorkers.Tests;

public sealed class CartTests
{
    [Fact]
    public void Grams_and_kilograms_become_one_item()
        => Assert.Equal([new CartItem("flour", 1.5, "kg")], Build(new("flour", 500, "g"), new("flour", 1, "kg")));

    [Fact]
    public void Millilitres_and_litres_become_one_item()
        => Assert.Equal([new CartItem("milk", 700, "ml")], Build(new("milk", 0.5, "l"), new("milk", 200, "ml")));

    [Fact]
    public void Spoons_and_cups_become_millilitres() => Assert.Equal(
        [new CartItem("oil", 260, "ml")], Build(new("oil", 1, "tsp"), new("oil", 1, "tbsp"), new("oil", 1, "cup")));

    [Fact]
    public void One_unit_throughout_stays()
        => Assert.Equal([new CartItem("sugar", 3, "tbsp")], Build(new("sugar", 1, "tbsp"), new("sugar", 2, "tbsp")));

    [Fact]
    public void To_taste_beside_an_amount_asks_for_nothing_more()
        => Assert.Equal([new CartItem("salt", 1, "tsp")], Build(new("salt", null, null), new("salt", 1, "tsp")));

    [Fact]
    public void Without_any_amount_the_thing_is_still_on_the_list()
        => Assert.Equal([new CartItem("salt", null, null)], Build(new("salt", null, null), new("salt", null, null)));

    [Fact]
    public void Cans_and_grams_are_not_added() => Assert.Equal(
        [new CartItem("tomato", 2, "can"), new CartItem("tomato", 100, "g")],
        Build(new("tomato", 2, "can"), new("tomato", 100, "g")));

    [Fact]
    public void The_cart_of_a_text_merges_its_sections()
    {
        var cart = new RecipeAnalyzer()
            .Analyze("Cake\nFor the base:\n200 g butter\n2 eggs\nFor the top:\n1 kg butter\n1 egg").ShoppingCart;
        Assert.Equal([new CartItem("butter", 1.2, "kg"), new CartItem("egg", 3, "piece")], cart.Items);
    }

    private static IReadOnlyList<CartItem> Build(params Ingredient[] ingredients)
        => CartBuilder.Build(ingredients).Items;
}
