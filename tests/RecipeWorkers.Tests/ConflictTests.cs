using RecipeWorkers.Analysis;
using Xunit;

namespace RecipeWorkers.Tests;

public sealed class ConflictTests
{
    [Fact]
    public void The_table_has_fifty_pairs_and_more_each_with_a_message_and_sources()
    {
        Assert.True(ConflictFinder.Rules.Count >= 50);
        Assert.Equal(
            ConflictFinder.Rules.Count, ConflictFinder.Rules.DistinctBy(rule => (rule.Item1, rule.Item2)).Count());
        Assert.All(ConflictFinder.Rules, rule =>
        {
            Assert.NotEmpty(rule.Message);
            Assert.NotEmpty(rule.Sources);
            Assert.All(rule.Sources, source => Assert.True(source.Length > 8, source));
            Assert.NotEmpty(ConflictFinder.NamesOf(rule.Item1));
            Assert.NotEmpty(ConflictFinder.NamesOf(rule.Item2));
        });
    }

    [Fact]
    public void Each_pair_is_found_when_both_sides_are_there_and_not_when_one_is_missing()
    {
        foreach (var rule in ConflictFinder.Rules)
        {
            string first = ConflictFinder.NamesOf(rule.Item1)[0];
            string second = ConflictFinder.NamesOf(rule.Item2).First(name => name != first);
            Assert.Contains(Find(first, second), warning => warning.Message == rule.Message);
            Assert.DoesNotContain(Find(first), warning => warning.Message == rule.Message);
        }
    }

    [Theory]
    [InlineData("2 kiwis, 3 gelatine leaves, 100 g sugar", "kiwi", "gelatin leaf")]
    [InlineData("200 ml whole milk, juice of 2 lemons, sugar", "lemon", "whole milk")]
    [InlineData("200 g spinach, 100 g feta", "spinach", "feta")]
    [InlineData("I take warfarin. Ingredients: 200 g kale, 1 onion", "kale", "warfarin")]
    [InlineData("Vegan pancakes\n2 eggs\n100 g flour", "egg", "vegan")]
    [InlineData("My doctor gave me simvastatin\n1 grapefruit\n2 oranges", "grapefruit", "simvastatin")]
    public void A_text_is_warned_about(string text, string first, string second)
    {
        var warnings = new RecipeAnalyzer().Analyze(text).ConflictWarnings;
        Assert.Contains(warnings, warning => warning.ConflictingItem1 == first && warning.ConflictingItem2 == second
            && warning.Sources.Count > 0);
    }

    [Theory]
    [InlineData("200 ml coconut milk, juice of 2 limes")]
    [InlineData("1 kiwi, 1 banana")]
    [InlineData("Vegan stew\n1 tbsp peanut butter\n200 ml oat milk\n1 onion")]
    public void What_only_sounds_like_a_conflict_is_none(string text)
        => Assert.Empty(new RecipeAnalyzer().Analyze(text).ConflictWarnings);

    private static IReadOnlyList<ConflictWarning> Find(params string[] names) =>
        ConflictFinder.Find(
            names.Where(name => !name.StartsWith('#')), string.Join(". ", names.Select(name => name.TrimStart('#'))));
}
