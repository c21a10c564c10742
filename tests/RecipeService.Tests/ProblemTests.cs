using RecipeService.Http;
using SafeAmqp;

namespace RecipeService.Tests;

public sealed class ProblemTests
{
    [Fact]
    public void A_broker_that_is_away_is_503_and_safe_to_repeat()
    {
        var problem = Problem.Of(new BrokerAwayException("away"))!;
        Assert.Equal(503, problem.Status);
        Assert.Equal("not_sent", problem.Extensions["outcome"]);
        Assert.Equal(true, problem.Extensions["safe_to_repeat"]);
    }

    [Fact]
    public void A_request_that_the_worker_cannot_use_is_422_with_its_reason()
    {
        var problem = Problem.Of(WorkerException.Refused("No ingredients"))!;
        Assert.Equal(422, problem.Status);
        Assert.Equal("No ingredients", problem.Detail);
    }

    [Fact]
    public void A_worker_that_fails_is_502()
    {
        Assert.Equal(502, Problem.Of(WorkerException.Failed("unreachable"))!.Status);
        Assert.Equal(502, Problem.Of(WorkerException.Unreadable())!.Status);
    }

    [Fact]
    public void A_fault_of_the_service_itself_is_not_explained_to_strangers()
        => Assert.Null(Problem.Of(new InvalidOperationException("secret")));

    [Fact]
    public void Each_fate_of_a_request_has_words_of_its_own()
    {
        var texts = Enum.GetValues<AmqpOutcome>().Select(outcome => Problem.Fate(outcome)).ToList();
        Assert.Equal(texts.Count, texts.Distinct().Count());
        Assert.All(
            new[] { AmqpOutcome.Unknown, AmqpOutcome.Confirmed },
            outcome => Assert.Contains("twice", Problem.Fate(outcome), StringComparison.Ordinal));
        Assert.Contains("safe", Problem.Fate(AmqpOutcome.NotSent), StringComparison.Ordinal);
    }
}
