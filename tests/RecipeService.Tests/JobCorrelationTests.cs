using System.Text;
using RecipeService.Crawling;
using SafeAmqp;

namespace RecipeService.Tests;

public sealed class JobCorrelationTests
{
    [Theory]
    [InlineData(
        """
        {"action":"crawl_result","job_id":"7","status":"done","data":{"job_id":"inner","status":"in_progress"},
         "error":null}
        """,
        "7")]
    [InlineData(
        """
        {"data":[{"job_id":"inner"}],"status":"failed","error":{"message":"no"},"job_id":"7","action":"crawl_result"}
        """,
        "7")]
    [InlineData("""{"action":"task_status_update","job_id":"7","status":"done","data":null,"error":null}""", "7")]
    public void The_last_answer_of_a_job_completes_its_call(string body, string job)
        => Assert.Equal(job, JobCorrelation.Of(Message(body)));

    [Fact]
    public void Progress_completes_no_call()
        => Assert.Null(JobCorrelation.Of(Message(
            """{"action":"task_status_update","job_id":"7","status":"in_progress","data":null,"error":null}""")));

    [Theory]
    [InlineData("")]
    [InlineData("no json")]
    [InlineData("[1]")]
    [InlineData("\"text\"")]
    [InlineData("{\"job_id\":\"7\",\"status\":\"do")]
    [InlineData("""{"job_id":7,"status":"done"}""")]
    [InlineData("""{"job_id":"7"}""")]
    [InlineData("""{"status":"done"}""")]
    public void What_is_no_answer_belongs_to_no_job(string body) => Assert.Null(JobCorrelation.Of(Message(body)));

    private static AmqpMessage Message(string body) => AmqpMessage.ToQueue("answers", Encoding.UTF8.GetBytes(body));
}
