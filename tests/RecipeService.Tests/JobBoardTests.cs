using System.Text.Json;
using RecipeService.Crawling;

namespace RecipeService.Tests;

public sealed class JobBoardTests
{
    private readonly JobBoard _board = new(new RecipeSettings { JobsKept = 3 }, TimeProvider.System);

    [Fact]
    public void A_job_is_queued_then_in_progress_then_done()
    {
        _board.Begin("a", "http://host/page");
        Assert.Equal("queued", Find("a").Status);

        _board.Record(Answer("a", "in_progress", """{"pages":1}"""));
        Assert.Equal("in_progress", Find("a").Status);

        _board.Record(Answer("a", "done", """{"pages":2}"""));
        var job = Find("a");
        Assert.Equal("done", job.Status);
        Assert.Equal(2, job.Data!.Value.GetProperty("pages").GetInt32());
        Assert.Equal(2, job.Updates);
        Assert.Equal("http://host/page", job.Url);
    }

    [Fact]
    public void Progress_that_comes_after_the_end_changes_nothing()
    {
        _board.Begin("a", null);
        _board.Record(Answer("a", "failed") with { Error = new CrawlingError("no such page") });
        _board.Record(Answer("a", "in_progress"));

        Assert.Equal("failed", Find("a").Status);
        Assert.Equal("no such page", Find("a").Error!.Message);
    }

    [Fact]
    public void The_oldest_job_goes_when_there_are_too_many()
    {
        foreach (string? id in new[] { "a", "b", "c" })
            _board.Begin(id, null);
        _board.Record(Answer("a", "in_progress")); // news does not make it younger
        _board.Begin("d", null);

        Assert.False(_board.TryFind("a", out _));
        Assert.True(_board.TryFind("b", out _));
        Assert.Equal(3, _board.Count);
    }

    [Fact]
    public void The_oldest_data_goes_when_there_is_too_much_of_it()
    {
        string half = JsonSerializer.Serialize(new string('x', (int)(JobBoard.MaxBytes / 2)));
        _board.Record(Answer("a", "done", half));
        _board.Record(Answer("b", "done"));
        _board.Record(Answer("c", "done", half));

        Assert.False(_board.TryFind("a", out _));
        Assert.True(_board.TryFind("b", out _));
        Assert.True(_board.TryFind("c", out _));
    }

    [Fact]
    public void A_result_after_a_mere_done_is_kept_and_a_second_one_is_not()
    {
        _board.Begin("a", null);
        _board.Record(Answer("a", "done"));
        _board.Record(Answer("a", "done", """{"pages":1}""") with { Action = CrawlingWords.CrawlResult });
        _board.Record(Answer("a", "done", """{"pages":2}""") with { Action = CrawlingWords.CrawlResult });
        _board.Record(Answer("a", "done"));

        Assert.Equal(1, Find("a").Data!.Value.GetProperty("pages").GetInt32());
    }

    [Fact]
    public void A_job_of_which_nothing_was_known_is_taken_in()
    {
        _board.Record(Answer("a", "done"));
        Assert.Equal("done", Find("a").Status);
    }

    [Fact]
    public async Task Many_threads_may_use_it_at_once()
    {
        var board = new JobBoard(new RecipeSettings { JobsKept = 50 }, TimeProvider.System);
        await Task.WhenAll(Enumerable.Range(0, 8).Select(thread => Task.Run(() =>
        {
            for (int number = 0; number < 2000; number++)
            {
                string id = $"{thread}-{number % 100}";
                board.Begin(id, null);
                board.Record(Answer(id, "done", "[1,2,3]"));
                board.TryFind(id, out _);
                if (number % 7 == 0)
                    board.Forget(id);
            }
        }, TestContext.Current.CancellationToken)));

        Assert.InRange(board.Count, 1, 50);
    }

    private Job Find(string id)
    {
        Assert.True(_board.TryFind(id, out var job));
        return job;
    }

    private static CrawlingAnswer Answer(string id, string status, string? data = null) => new()
    {
        Action = CrawlingWords.StatusUpdate,
        JobId = id,
        Status = status,
        Data = data is null ? null : JsonDocument.Parse(data).RootElement,
    };
}
