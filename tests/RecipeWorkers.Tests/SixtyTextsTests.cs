using Xunit;

namespace RecipeWorkers.Tests;

public sealed class SixtyTextsTests
{
    [Fact]
    public void At_least_nine_in_ten_ingredients_of_the_sixty_texts_are_found()
    {
        var score = new TextScore();
        foreach (var text in TextScore.Load())
            score.Add(text);
        TestContext.Current.TestOutputHelper?.WriteLine(score + Environment.NewLine
            + string.Join(Environment.NewLine, score.Faults));

        Assert.Equal(60, score.Texts);
        Assert.True(score.NameShare >= 0.9, score.ToString());
    }
}
