using System.Text;
using RecipeWorkers.Crawling;
using Xunit;

namespace RecipeWorkers.Tests;

public sealed class RecipeExtractionTests
{
    [Fact]
    public async Task A_recipe_in_a_graph_with_several_types_is_found()
    {
        var recipe = Assert.Single(await OfPageAsync("pancakes.html"));
        Assert.Equal(("Pancakes", "8", "PT20M"), (recipe.Name, recipe.Yield, recipe.TotalTime));
        Assert.Equal(["200 g flour", "2 eggs", "300 ml milk", "a pinch of salt"], recipe.Ingredients);
        Assert.Equal(["Whisk everything.", "Fry thin in butter."], recipe.Instructions);
    }

    [Fact]
    public async Task A_recipe_in_an_array_with_sections_of_steps_is_found()
    {
        var recipe = Assert.Single(await OfPageAsync("banana-bread.html"));
        Assert.Equal("1", recipe.Yield);
        Assert.Equal(["Mash the bananas.", "Mix with the rest.", "Bake 55 minutes at 175 °C."], recipe.Instructions);
    }

    [Fact]
    public async Task A_recipe_that_is_the_main_entity_of_its_page_is_found()
    {
        var recipe = Assert.Single(await OfPageAsync("curry.html"));
        Assert.Equal("Chickpea curry", recipe.Name);
        Assert.Equal("Fry the onion & curry powder.", recipe.Instructions[0]);
    }

    [Fact]
    public async Task Microdata_is_read_and_the_author_is_not_the_dish()
    {
        var recipe = Assert.Single(await OfPageAsync("leek-soup.html"));
        Assert.Equal(("Leek and potato soup", "4", "PT40M"), (recipe.Name, recipe.Yield, recipe.TotalTime));
        Assert.Equal(["2 leeks", "3 potatoes", "1 l vegetable stock"], recipe.Ingredients);
        Assert.Equal(["Slice leeks and potatoes.", "Simmer in the stock for 25 minutes."], recipe.Instructions);
    }

    [Fact]
    public async Task Microdata_with_meta_elements_and_steps_of_their_own_is_read()
    {
        var recipe = Assert.Single(await OfPageAsync("carbonara.html"));
        Assert.Equal(("2 portions", "PT25M"), (recipe.Yield, recipe.TotalTime));
        Assert.Equal(4, recipe.Ingredients.Count);
        Assert.Equal(["Boil the spaghetti, fry the pancetta.", "Mix all off the heat."], recipe.Instructions);
    }

    [Fact]
    public async Task Broken_json_gives_no_recipe_and_keeps_the_links()
    {
        var page = await ReadAsync(Page("broken.html"));
        Assert.Empty(page.Recipes);
        Assert.Single(page.Links);
    }

    [Fact]
    public async Task A_recipe_described_twice_counts_once()
    {
        const string html = """
            <script type="application/ld+json">{"@type":"Recipe","name":"Tea","recipeIngredient":"tea"}</script>
            <div itemscope itemtype="https://schema.org/Recipe"><b itemprop="name">Tea</b></div>
            """;
        Assert.Equal(["tea"], Assert.Single((await ReadAsync(html)).Recipes).Ingredients);
    }

    [Fact]
    public async Task Nesting_without_end_is_survived()
    {
        string json = string.Concat(Enumerable.Repeat("{\"item\":", 60)) + "1" + new string('}', 60);
        Assert.Empty((await ReadAsync($"<script type='application/ld+json'>{json}</script>")).Recipes);
    }

    [Fact]
    public async Task Links_are_absolute_without_fragments_and_only_http()
    {
        var page = await ReadAsync("<a href='x#1'>1</a><a href='x#2'>2</a><a href='mailto:a@b'>m</a><a "
            + "href='javascript:1'>j</a><a href='/y' rel='nofollow'>n</a><a href='//other/z?q=1'>o</a>");
        Assert.Equal(["http://h/d/x", "http://other/z?q=1"], page.Links.Select(link => link.AbsoluteUri));
    }

    [Fact]
    public async Task The_charset_of_the_header_counts()
    {
        byte[] html = Encoding.Latin1.GetBytes(
            "<script type='application/ld+json'>{\"@type\":\"Recipe\",\"name\":\"Crème\"}</script>");
        var page = await PageReader.ReadAsync(
            new Uri("http://h/"), html, "text/html; charset=iso-8859-1", TestContext.Current.CancellationToken);
        Assert.Equal("Crème", Assert.Single(page.Recipes).Name);
    }

    private static async Task<IReadOnlyList<CrawledRecipe>> OfPageAsync(string name)
        => (await ReadAsync(Page(name))).Recipes;

    private static Task<PageContent> ReadAsync(string html) =>
        PageReader.ReadAsync(new Uri("http://h/d/page.html"), Encoding.UTF8.GetBytes(html), "text/html; charset=utf-8",
            TestContext.Current.CancellationToken);

    private static string Page(string name)
    {
        Assert.Contains(name, LocalPages.Names);
        using var reader = new StreamReader(typeof(LocalPages).Assembly.GetManifestResourceStream("Pages." + name)!);
        return reader.ReadToEnd();
    }
}
